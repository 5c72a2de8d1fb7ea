-- Purpose: give a place up. A session that runs keeps its seat until the origin tells of its end, or it is over: the site
-- has let this person in, and they can still complete.
-- Flags: allow-oom
-- KEYS[1] event: hash; KEYS[2] line: hash; KEYS[3] settled: bitmap by rank; KEYS[4] index: hash, the session's bucket
-- ARGV[3] session, 12 bytes; ARGV[4] place, -1 before its draw; ARGV[5] segment of its epoch; ARGV[6] number
-- ARGV[7] check, 6 bytes; ARGV[8] group
-- Returns: '' when left (now or before), or 'completed'
-- Cost: O(1)
local session, row = ARGV[3], read_row(KEYS[4], ARGV[3])
local mine = row ~= nil and row.segment == tonumber(ARGV[5]) and row.number == tonumber(ARGV[6])
if mine and has(row, COMPLETED) then return 'completed' end
local place = tonumber(ARGV[4])
if place < 0 and row == nil then -- without a rank there is no bit to set: the row alone remembers
  row, mine = {flags = 0, segment = tonumber(ARGV[5]), number = tonumber(ARGV[6]), check = ARGV[7], group = ARGV[8]}, true
end
if mine then
  row.flags = bit.bor(row.flags, LEFT)
  write_row(KEYS[4], session, row)
end
if place >= 0 then redis.call('SETBIT', KEYS[3], place % RANKS, 1) end
return ''
