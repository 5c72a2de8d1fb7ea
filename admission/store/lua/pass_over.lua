-- Purpose: note that somebody called came, and found their group full: they keep the place, and are not waited for.
-- Flags: allow-oom
-- KEYS[1] event: hash; KEYS[2] line: hash; KEYS[3] settled: bitmap by rank; KEYS[4] index: hash, the session's bucket
-- ARGV[3] session, 12 bytes; ARGV[4] check, 6 bytes; ARGV[5] group; ARGV[6] place; ARGV[7] segment of its epoch
-- ARGV[8] number
-- Returns: 1, or 0 when the place was used or given up, or the index holds another one of this tag
-- Cost: O(1)
local session, place, segment, number = ARGV[3], tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local row = read_row(KEYS[4], session)
row = row or {flags = 0, segment = segment, number = number, check = ARGV[4], group = ARGV[5]}
if row.segment ~= segment or row.number ~= number then return 0 end
if row.flags ~= 0 or redis.call('GETBIT', KEYS[3], place % RANKS) == 1 then return 0 end
row.flags = PASSED
write_row(KEYS[4], session, row)
redis.call('SETBIT', KEYS[3], place % RANKS, 1)
return 1
