-- Purpose: note that the grace of a drawn place has ended, so that its tag may take a new place.
-- Flags: allow-oom
-- KEYS[1] event: hash; KEYS[2] line: hash; KEYS[3] index: hash, the session's bucket
-- ARGV[3] session, 12 bytes; ARGV[4] place; ARGV[5] segment of its epoch; ARGV[6] number
-- Returns: 1, or 0 when the index holds another place, or one that was used, or whose grace goes on
-- Cost: O(1)
local row = read_row(KEYS[3], ARGV[3])
if row == nil or row.segment ~= tonumber(ARGV[5]) or row.number ~= tonumber(ARGV[6]) then return 0 end
local place = tonumber(ARGV[4])
if row.flags ~= 0 or place > tonumber(line.expired) or kept(row.group, place) then return 0 end
row.flags = EXPIRED
write_row(KEYS[3], ARGV[3], row)
return 1
