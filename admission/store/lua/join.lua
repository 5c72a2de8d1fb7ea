-- Purpose: places at the end of the line for a batch; the same browser, or who brings a ticket, finds the living place.
-- KEYS[1] event: hash; KEYS[2] line: hash; KEYS[3] sessions: zset, session and group -> start or last heartbeat, µs
-- KEYS[2 * i + 2] index: hash, the bucket of entry i; KEYS[2 * i + 3] settled: bitmap by rank, of its ticket's segment
-- ARGV[3 * i - 1 .. 3 * i + 1] session of entry i, 12 bytes, '' without identity; check, 6 bytes, and group; the ticket
-- that it brings, '' for none
-- Returns: {now ms, {{ticket, known 0|1, group}, …}}
-- Cost: O(entries), at most 128
local session_us = limits_of('session_us')
local size, places, NO_CHECK = stored('size'), {}, string.rep('\0', 6)

-- Whether a place that is not the one of the index goes on: somebody else joined with this NIK before.
local function goes_on(ticket, settled)
  return ticket ~= '' and stored('frozen') == 0 and ticket > line.expired
    and redis.call('GETBIT', settled, rank_of(ticket)) == 0
end

for i = 2, #ARGV, 3 do
  local session, held, at = ARGV[i], ARGV[i + 2], 2 * (i + 1) / 3 + 2
  local check, group = string.sub(ARGV[i + 1], 1, 6), string.sub(ARGV[i + 1], 7)
  local bucket, settled = KEYS[at], KEYS[at + 1]
  local row = session ~= '' and read_row(bucket, session) or nil
  local alive = row ~= nil and not ended(row, running(KEYS[3], session, row.group, session_us))
  local mine = alive and row.ticket ~= UNKNOWN and (row.ticket == held or row.check == check and check ~= NO_CHECK)
  if mine then
    places[#places + 1] = {row.ticket, 1, row.group}
  elseif alive and goes_on(held, settled) then
    places[#places + 1] = {held, 1, group}
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
