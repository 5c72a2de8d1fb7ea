-- Purpose: the rows of some buckets of the index, to list who is in a draw; writes nothing.
-- Flags: no-writes
-- KEYS[i] index: hash, a bucket
-- ARGV[] none
-- Returns: {{rest of session, row, rest of session, row, …}, …}, a list for each bucket
-- Cost: O(rows); about 90 a bucket at six million applicants
local buckets = {}
for i = 1, #KEYS do buckets[i] = redis.call('HGETALL', KEYS[i]) end
return buckets
