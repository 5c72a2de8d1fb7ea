-- Purpose: what is recorded of called places, for a batch; writes nothing.
-- Flags: no-writes
-- KEYS[1] sessions: zset, session and group -> start or last heartbeat, µs
-- KEYS[2] line: hash
-- KEYS[2 * i + 1] settled: bitmap by rank, of look i; KEYS[2 * i + 2] index: hash, bucket of look i
-- ARGV[2 * i - 1] session, 12 bytes, and group; ARGV[2 * i] rank
-- Returns: {now µs, segments, JSON, {{row or '', settled 0|1, start or last heartbeat µs or ''}, …}}
-- Cost: O(looks), at most 128
local time, looks = redis.call('TIME'), {}
for i = 1, #ARGV / 2 do
  local member, rank = ARGV[2 * i - 1], ARGV[2 * i]
  looks[i] = {
    redis.call('HGET', KEYS[2 * i + 2], string.sub(member, 3, 12)) or '',
    redis.call('GETBIT', KEYS[2 * i + 1], rank),
    redis.call('ZSCORE', KEYS[1], member) or '',
  }
end
return {time[1] .. string.format('%06d', time[2]), redis.call('HGET', KEYS[2], 'segments') or '[]', looks}
