-- Purpose: give a place of the index to another browser of the same person (recovery).
-- KEYS[1] event: hash; KEYS[2] line: hash; KEYS[3] index: hash, the session's bucket
-- ARGV[3] session, 12 bytes; ARGV[4] number; ARGV[5] check of the new browser, 6 bytes
-- Returns: 1, or 0 when the index no longer holds this number
-- Cost: O(1)
local row = read_row(KEYS[3], ARGV[3])
if row == nil or row.number ~= tonumber(ARGV[4]) then return 0 end
row.check = ARGV[5]
write_row(KEYS[3], ARGV[3], row)
return 1
