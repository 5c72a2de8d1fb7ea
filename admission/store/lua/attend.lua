-- Purpose: a gateway says that it answers applicants now, and how many of them wait at its door.
-- Flags: allow-oom
-- KEYS[1] event: hash; KEYS[2] line: hash; KEYS[3] doors: hash, gateway -> people and when, µs
-- ARGV[2] who; ARGV[3] people at its door
-- Returns: 1
-- Cost: O(gateways)
redis.call('HSET', LINE, 'answered_us', whole(now_us))
redis.call('HSET', KEYS[3], ARGV[2], ARGV[3] .. ' ' .. whole(now_us))
local doors = redis.call('HGETALL', KEYS[3])
for i = 2, #doors, 2 do
  local told_us = tonumber(string.match(doors[i], ' (%d+)$'))
  if math.abs(now_us - told_us) > 60000000 then redis.call('HDEL', KEYS[3], doors[i - 1]) end
end
return 1
