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

local function reserve(sessions, session, group)
  if redis.call('ZADD', sessions, whole(now_us), session .. group) == 1 then count('reserved', group, 1) end
end

local function release(sessions, session, group)
  if redis.call('ZREM', sessions, session .. group) == 1 then count('reserved', group, -1) end
end

