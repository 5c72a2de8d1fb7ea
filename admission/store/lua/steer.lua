-- Purpose: renew the lease of the worker that steers, or take it, and set what its control law allows.
-- Flags: allow-oom
-- KEYS[1] event: hash; KEYS[2] line: hash; KEYS[3] lease: string, the worker that steers
-- ARGV[3] who; ARGV[4] lease ms; ARGV[5] allowed sessions; ARGV[6] µs between admissions, 0: nobody; ARGV[7] reason
-- ARGV[8] µs for which the origin still asks to be left alone
-- Returns: 1 for who holds the lease; 0, and nothing is set, for all others and where rate and capacity are set by hand
-- Cost: O(1)
local holder = redis.call('GET', KEYS[3])
if holder and holder ~= ARGV[3] or redis.call('HGET', EVENT, 'steered') ~= '1' then return 0 end
redis.call('SET', KEYS[3], ARGV[3], 'PX', ARGV[4])
redis.call('HSET', LINE, 'allowed', ARGV[5], 'allowed_interval_us', ARGV[6], 'allowed_why', ARGV[7],
  'allowed_resumes_us', whole(now_us + ARGV[8]))
return 1
