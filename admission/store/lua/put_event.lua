-- Purpose: keep the event's record and its limits; the highest version wins, at a tie the one that stands.
-- Flags: allow-oom
-- KEYS[1] event: hash; KEYS[2] line: hash; KEYS[3] log: stream of version and change
-- ARGV[3] version, 1 or more; ARGV[4] record, JSON; ARGV[5] what made this version, JSON, or ''
-- ARGV[6..] name and value of each limit
-- Returns: the record that stands, JSON
-- Cost: O(1)
local stands = tonumber(redis.call('HGET', EVENT, 'version') or 0)
if tonumber(ARGV[3]) > stands then
  local groups = redis.call('HGET', EVENT, 'groups') or ''
  redis.call('DEL', EVENT) -- with the quotas of groups that have none any more
  redis.call('HSET', EVENT, 'version', ARGV[3], 'record', ARGV[4], unpack(ARGV, 6))
  for group in string.gmatch(groups, '%S+') do keep(group) end -- one that has a seat now, or no quota any more
  if redis.call('HGET', EVENT, 'steered') ~= '1' then -- by hand: a law that is switched on later begins anew
    redis.call('HDEL', LINE, 'allowed', 'allowed_interval_us', 'allowed_why', 'allowed_resumes_us')
  end
  if ARGV[5] ~= '' then
    redis.call('XADD', KEYS[3], 'MAXLEN', '~', 1000, '*', 'version', ARGV[3], 'change', ARGV[5])
  end
end
return redis.call('HGET', EVENT, 'record')
