-- Purpose: stands between the prelude and epochs: seats of the quotas, in total (group '') and of each group.
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

-- Sessions of which Redis knows nothing any more hold seats and count as running until they must have ended: of those that
-- the caller saw, at most as many as were admitted since this data were written. Whose group they were of nobody can tell,
-- so that they take its seats for good.
local function keep_lost(seen)
  local unknown = math.max(0, (seen.admitted or 0) - tonumber(line.admitted or 0))
  if unknown > 0 then
    local session_us, seat_us = unpack(redis.call('HMGET', EVENT, 'session_us', 'seat_us'))
    local lost, running = missing('lost', tonumber(seat_us or 0)), missing('lost_sessions', tonumber(session_us or 0))
    line.lost, line.lost_at_us = whole(math.min(seen.reserved, lost + unknown)), whole(now_us)
    line.lost_sessions = whole(math.min(seen.sessions, running + unknown))
  end
  for group, counts in pairs(seen.groups or {}) do
    local completed = tonumber(redis.call('HGET', LINE, of('completed', group)) or 0)
    local gone = math.max(0, counts[1] - completed) + math.min(counts[2], unknown)
    if gone > 0 then redis.call('HINCRBY', LINE, of('completed', group), gone) end
    if counts[3] ~= '' then redis.call('HSETNX', LINE, of('kept', group), counts[3]) end
  end
end

-- While a group is full, the graces of its members stand: kept tells after which place, and up to which.
local function keep(group)
  local _, taken = filled(group)
  local after, upto = string.match(redis.call('HGET', LINE, of('kept', group)) or '', '^(%d+) (-?%d+)$')
  if taken and upto ~= '-1' then
    redis.call('HSET', LINE, of('kept', group), (after or line.expired) .. ' -1')
  elseif not taken and upto == '-1' then
    redis.call('HSET', LINE, of('kept', group), after .. ' ' .. line.serving)
  end
end

-- Whether a place was called while its group was full: then no grace has run for it.
local function kept(group, place)
  local range = group ~= '' and redis.call('HGET', LINE, of('kept', group))
  if not range then return false end
  local after, upto = string.match(range, '^(%d+) (-?%d+)$')
  return place > tonumber(after) and (upto == '-1' or place <= tonumber(upto))
end

