-- Purpose: stands between the prelude and the line: seats of the quotas, in total (group '') and of each group.
local function of(name, group) return group == '' and name or name .. ':' .. group end

-- Those that Redis lost, as long as they may run or be completed: of `lost` or `lost_sessions`.
local function missing(name, group, for_us)
  if now_us >= stored('lost_at_us') + (for_us or 0) then return 0 end
  return group == '' and stored(name) or tonumber(redis.call('HGET', LINE, of(name, group)) or 0)
end

-- Whether as many have completed as a quota allows, and whether as many have a seat.
local function filled(group)
  local limits = redis.call('HMGET', EVENT, of('quota', group), 'seat_us')
  local quota, seat_us = tonumber(limits[1] or -1), tonumber(limits[2] or 0)
  if quota < 0 then return false, false end
  local counts = redis.call('HMGET', LINE, of('completed', group), of('reserved', group))
  local completed, reserved = tonumber(counts[1] or 0), tonumber(counts[2] or 0)
  return completed >= quota, completed + reserved + missing('lost', group, seat_us) >= quota
end

local function count(name, group, by)
  redis.call('HINCRBY', LINE, name, by)
  if group ~= '' then redis.call('HINCRBY', LINE, of(name, group), by) end
end

local function release(sessions, session, group)
  if redis.call('ZREM', sessions, session .. group) == 1 then count('reserved', group, -1) end
end

-- A session has one seat: one that came back while its group was forgotten goes for that of the group. A start is never
-- moved back. Returns whether the seat is new.
local function reserve(sessions, session, group, started_us)
  if group ~= '' then release(sessions, session, '') end
  local new = redis.call('ZADD', sessions, 'GT', whole(started_us), session .. group) == 1
  if new then count('reserved', group, 1) end
  return new
end

-- One that Redis had lost is known again, or known to be over.
local function found(group)
  for _, name in ipairs({'lost_sessions', 'lost', group ~= '' and of('lost', group) or nil}) do
    if tonumber(redis.call('HGET', LINE, name) or 0) > 0 then
      line[name] = whole(redis.call('HINCRBY', LINE, name, -1))
    end
  end
end

-- How long somebody has to wait at the door, 0 to come in. `door` is the earliest place that was told to wait, at any
-- gateway: it goes first for as long as it may take to ask again.
local function at_the_door(place, wait_us)
  local since_us = now_us - stored('door_us')
  local first = since_us < 0 or since_us > 200000 or place <= (line.door or '')
  if not first then return math.max(wait_us, 50000) end
  local at_us = wait_us > 0 and now_us or 0
  if at_us > 0 or line.door_us then
    line.door, line.door_us = place, whole(at_us)
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

