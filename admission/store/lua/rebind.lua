-- Purpose: give a place of the index to another browser of the same person (recovery).
-- KEYS[1] event: hash; KEYS[2] line: hash; KEYS[3] index: hash, the session's bucket
-- ARGV[2] session, 12 bytes; ARGV[3] ticket; ARGV[4] check of the new browser, 6 bytes
-- Returns: 1, or 0 when the index no longer holds this place
-- Cost: O(1)
local row = read_row(KEYS[3], ARGV[2])
if row == nil or row.ticket ~= ARGV[3] then return 0 end
row.check = ARGV[4]
write_row(KEYS[3], ARGV[2], row)
return 1
