-- Purpose: note that somebody called came, and found their group full: they keep the place, and are not waited for.
-- Flags: allow-oom
-- KEYS[1] event: hash; KEYS[2] line: hash; KEYS[3] settled: bitmap by rank; KEYS[4] index: hash, the session's bucket
-- ARGV[2] session, 12 bytes; ARGV[3] check, 6 bytes; ARGV[4] group; ARGV[5] place; ARGV[6] ticket
-- Returns: 1, or 0 when the place was used or given up, or the index holds another one of this tag
-- Cost: O(1)
local session, place, ticket = ARGV[2], ARGV[5], ARGV[6]
local row = read_row(KEYS[4], session) or {flags = 0, ticket = ticket, check = ARGV[3], group = ARGV[4]}
if row.ticket ~= ticket or row.flags ~= 0 and row.flags ~= KEPT then return 0 end
if redis.call('SETBIT', KEYS[3], rank_of(place), 1) == 1 then return 0 end
add_flag(KEYS[4], session, row, KEPT)
redis.call('HINCRBY', LINE, 'passed_over', 1)
return 1
