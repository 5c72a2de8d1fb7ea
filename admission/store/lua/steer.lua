-- Purpose: renew the lease of the worker that steers, or take it, and set what its control law allows.
-- Flags: allow-oom
-- KEYS[1] event: hash; KEYS[2] line: hash; KEYS[3] lease: string, the worker that steers
-- ARGV[2] who; ARGV[3] lease ms; ARGV[4] allowed sessions; ARGV[5] µs between admissions, 0: nobody; ARGV[6] reason
-- ARGV[7] µs for which the origin still asks to be left alone
-- Returns: 1 for who holds the lease; 0, and nothing is set, for all others and where rate and capacity are set by hand
-- Cost: O(1)
local holder = redis.call('GET', KEYS[3])
if holder and holder ~= ARGV[2] or redis.call('HGET', EVENT, 'steered') ~= '1' then return 0 end
redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[3])
redis.call('HSET', LINE, 'allowed', ARGV[4], 'allowed_interval_us', ARGV[5], 'allowed_why', ARGV[6],
  'allowed_resumes_us', whole(now_us + ARGV[7]))
return 1
