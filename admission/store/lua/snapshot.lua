-- Purpose: one event at one instant; writes nothing.
-- Flags: no-writes
-- KEYS[1] event: hash; KEYS[2] line: hash; KEYS[3] sessions: zset, session and group -> start or last heartbeat, µs
-- KEYS[4] calls: zset
-- KEYS[4 + i] settled: bitmap of run i
-- ARGV[1] version of the record that the caller has, 0 for none; ARGV[2] open clock ms up to which it knows calls
-- ARGV[1 + 2 * i], ARGV[2 + 2 * i] first and last rank of run i, the called places whose grace has not ended
-- Returns: {now µs, record or '', line as names and values, sessions, calls as places and ms, settled in the runs}
-- Cost: O(new calls + bytes of the runs)
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local version, session_us = unpack(redis.call('HMGET', KEYS[1], 'version', 'session_us'))
local record, sessions, settled = '', 0, 0
if version and version ~= ARGV[1] then record = redis.call('HGET', KEYS[1], 'record') end
if session_us then
  sessions = redis.call('ZCOUNT', KEYS[3], string.format('(%.0f', now_us - session_us), '+inf')
end
for i = 1, #KEYS - 4 do
  settled = settled + redis.call('BITCOUNT', KEYS[4 + i], ARGV[1 + 2 * i], ARGV[2 + 2 * i], 'BIT')
end
local calls = redis.call('ZRANGEBYSCORE', KEYS[4], '(' .. ARGV[2], '+inf', 'WITHSCORES')
return {string.format('%.0f', now_us), version and record or '-', redis.call('HGETALL', KEYS[2]), sessions, calls,
  settled}
