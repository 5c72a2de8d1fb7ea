-- Purpose: note that the grace of a drawn place has ended, so that its tag may take a new place.
-- Flags: allow-oom
-- KEYS[1] event: hash; KEYS[2] line: hash; KEYS[3] index: hash, the session's bucket
-- ARGV[2] session, 12 bytes; ARGV[3] place; ARGV[4] ticket
-- Returns: 1, or 0 when the index holds another place, or one that was used, or whose grace goes on
-- Cost: O(1)
local row = read_row(KEYS[3], ARGV[2])
if row == nil or row.ticket ~= ARGV[4] or row.flags ~= 0 then return 0 end
if ARGV[3] > line.expired then return 0 end
add_flag(KEYS[3], ARGV[2], row, EXPIRED)
return 1
