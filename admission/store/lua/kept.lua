-- Purpose: stands between seats and segments: the graces that stand, those of people whose group was full when called.
-- A group's range tells after which place, and up to which; -1 while it is full.
local function kept_range(group)
  local range = group ~= '' and redis.call('HGET', LINE, of('kept', group))
  local after, upto = string.match(range or '', '^(%d+) (-?%d+)$')
  return tonumber(after), tonumber(upto)
end

local function set_kept(group, after, upto)
  redis.call('HSET', LINE, of('kept', group), whole(after) .. ' ' .. whole(upto))
end

local function widen(group, seen_after, seen_upto)
  local after, upto = kept_range(group)
  local open = upto == -1 or seen_upto == -1
  set_kept(group, math.min(after or seen_after, seen_after), open and -1 or math.max(upto or seen_upto, seen_upto))
end

-- At every tick.
local function keep(group)
  local _, taken = filled(group)
  local after, upto = kept_range(group)
  if taken and upto ~= -1 then
    set_kept(group, after or line.expired, -1)
  elseif not taken and upto == -1 then
    set_kept(group, after, line.serving)
  end
end

-- Whether a place was called while its group was full: then no grace has run for it.
local function kept(group, place)
  local after, upto = kept_range(group)
  return after ~= nil and place > after and (upto == -1 or place <= upto)
end

