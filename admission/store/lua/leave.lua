-- Purpose: give a place up. A session that runs keeps its seat until the origin tells of its end, or it is over: the site
-- has let this person in, and they can still complete.
-- Flags: allow-oom
-- KEYS[1] event: hash; KEYS[2] line: hash; KEYS[3] settled: bitmap by rank; KEYS[4] index: hash, the session's bucket
-- ARGV[2] session, 12 bytes; ARGV[3] check, 6 bytes; ARGV[4] group; ARGV[5] place, '' while it is not known
-- ARGV[6] ticket
-- Returns: '' when left (now or before), or 'completed'
-- Cost: O(1)
local session, row, ticket, place = ARGV[2], read_row(KEYS[4], ARGV[2]), ARGV[6], ARGV[5]
local mine = row ~= nil and row.ticket == ticket
if mine and has(row, COMPLETED) then return 'completed' end
if place == '' and row == nil then -- without a rank there is no bit to set: the row alone remembers
  row, mine = {flags = 0, ticket = ticket, check = ARGV[3], group = ARGV[4]}, true
end
if mine then add_flag(KEYS[4], session, row, LEFT) end
if place ~= '' then redis.call('SETBIT', KEYS[3], rank_of(place), 1) end
return ''
