-- Purpose: how many places of some runs were admitted or left; writes nothing.
-- Flags: no-writes
-- KEYS[i] settled: bitmap by rank, of run i
-- ARGV[2 * i - 1], ARGV[2 * i] first and last rank of run i
-- Returns: {count, …}
-- Cost: O(bytes of the runs); they hold who was called within a minute
local counts = {}
for i = 1, #KEYS do counts[i] = redis.call('BITCOUNT', KEYS[i], ARGV[2 * i - 1], ARGV[2 * i], 'BIT') end
return counts
