-- Purpose: places at the end of the line for a batch; the same browser finds its living place again.
-- KEYS[1] event: hash; KEYS[2] line: hash; KEYS[3] sessions: zset, session and group -> start or last heartbeat, µs
-- KEYS[3 + i] index: hash, the bucket of entry i; only with identity
-- ARGV[2 * i] session of entry i, 12 bytes, '' without identity; ARGV[2 * i + 1] check, 6 bytes, and group
-- Returns: {now ms, {{ticket, known 0|1, group}, …}}
-- Cost: O(entries), at most 128
local session_us = limits_of('session_us')
local size, places = stored('size'), {}
for i = 2, #ARGV, 2 do
  local session, bucket = ARGV[i], KEYS[3 + i / 2]
  local check, group = string.sub(ARGV[i + 1], 1, 6), string.sub(ARGV[i + 1], 7)
  local row = session ~= '' and read_row(bucket, session) or nil
  local alive = row ~= nil and not ended(row, running(KEYS[3], session, row.group, session_us))
  if alive and row.check == check and check ~= string.rep('\0', 6) then
    places[#places + 1] = {row.ticket, 1, row.group}
  else
    size = size + 1
    local ticket = text(line.epoch, size)
    places[#places + 1] = {ticket, 0, group}
    if session ~= '' and not alive then
      write_row(bucket, session, {flags = 0, ticket = ticket, check = check, group = group})
    end
  end
end
redis.call('HSET', LINE, 'size', size)
return {whole(now_us / 1000), places}
