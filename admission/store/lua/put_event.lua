-- Purpose: keep the event's record and its limits; the highest version wins, at a tie the one that stands.
-- Flags: allow-oom
-- KEYS[1] event: hash; KEYS[2] line: hash; KEYS[3] log: stream of version and change
-- ARGV[2] version, 1 or more; ARGV[3] record, JSON; ARGV[4] what made this version, JSON, or ''
-- ARGV[5] learning_us; ARGV[6] freezes_us; ARGV[7] 'new' of an event that nobody can have joined; ARGV[8..] name and
-- value of each other limit
-- Returns: the record that stands, JSON
-- Cost: O(1)
local stands = tonumber(redis.call('HGET', EVENT, 'version') or 0)
if tonumber(ARGV[2]) > stands then
  redis.call('DEL', EVENT) -- with the quotas of groups that have none any more
  redis.call('HSET', EVENT, 'version', ARGV[2], 'record', ARGV[3], 'learning_us', ARGV[5], 'freezes_us', ARGV[6],
    unpack(ARGV, 8))
  if redis.call('HGET', EVENT, 'steered') ~= '1' then -- by hand: a law that is switched on later begins anew
    redis.call('HDEL', LINE, 'allowed', 'allowed_interval_us', 'allowed_why', 'allowed_resumes_us')
  end
  if ARGV[4] ~= '' then
    redis.call('XADD', KEYS[3], 'MAXLEN', '~', 1000, '*', 'version', ARGV[2], 'change', ARGV[4])
  end
end
return redis.call('HGET', EVENT, 'record')
