-- Purpose: stands between the prelude and kept: seats of the quotas, in total (group '') and of each group.
local function of(name, group) return group == '' and name or name .. ':' .. group end

-- Those that Redis lost, as long as they may run or be completed: of `lost` or `lost_sessions`.
local function missing(name, for_us)
  return now_us < tonumber(line.lost_at_us or 0) + for_us and tonumber(line[name]) or 0
end

-- Whether as many have completed as a quota allows, and whether as many have a seat.
local function filled(group)
  local limits = redis.call('HMGET', EVENT, of('quota', group), 'seat_us')
  local quota, seat_us = tonumber(limits[1] or -1), tonumber(limits[2] or 0)
  if quota < 0 then return false, false end
  local counts = redis.call('HMGET', LINE, of('completed', group), of('reserved', group))
  local completed, reserved = tonumber(counts[1] or 0), tonumber(counts[2] or 0)
  local lost = group == '' and missing('lost', seat_us) or 0
  return completed >= quota, completed + reserved + lost >= quota
end

local function count(name, group, by)
  redis.call('HINCRBY', LINE, name, by)
  if group ~= '' then redis.call('HINCRBY', LINE, of(name, group), by) end
end

local function release(sessions, session, group)
  if redis.call('ZREM', sessions, session .. group) == 1 then count('reserved', group, -1) end
end

-- A session has one seat: one that a heartbeat brought back while its group was forgotten goes for that of the group.
local function reserve(sessions, session, group)
  if group ~= '' then release(sessions, session, '') end
  if redis.call('ZADD', sessions, whole(now_us), session .. group) == 1 then count('reserved', group, 1) end
end

-- How long somebody has to wait at the door, 0 to come in. `door` is the earliest place that was told to wait, at any
-- gateway: it goes first for as long as it may take to ask again.
local function at_the_door(place, wait_us)
  local since_us = now_us - tonumber(line.door_us or 0)
  local first = since_us < 0 or since_us > 200000 or place <= tonumber(line.door)
  if not first then return math.max(wait_us, 50000) end
  local at_us = wait_us > 0 and now_us or 0
  if at_us > 0 or line.door_us then
    line.door, line.door_us = whole(place), whole(at_us)
    redis.call('HSET', LINE, 'door', line.door, 'door_us', line.door_us)
  end
  return wait_us
end

-- What a control law allows of the capacity and the rate, once it has decided; at interval 0 nobody is let in. A burst
-- is at most one second of that rate: else a slower bucket would have room for many at once.
local function allowed(capacity, interval_us, burst)
  local sessions, at_least_us = tonumber(line.allowed or nil), tonumber(line.allowed_interval_us or nil)
  if not sessions or not at_least_us then return capacity, interval_us, burst end
  interval_us = math.max(interval_us, at_least_us)
  burst = math.min(burst, math.max(1, math.floor(1000000 / interval_us)))
  return at_least_us == 0 and 0 or math.min(capacity, sessions), interval_us, burst
end

