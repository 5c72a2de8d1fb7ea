-- Purpose: stands between fold and rows: the life check that opens an epoch, the freeze.
local function store_line(segments)
  line.segments = #segments > 0 and cjson.encode(segments) or '[]'
  for name, value in pairs(line) do redis.call('HSET', LINE, name, value) end
end

-- Numbers count from 1 again, behind these segments, in an epoch above all that were seen.
local function begin_epoch(segments, newest)
  local newest_ms = tonumber(string.sub(newest, 1, 13)) or 0
  line.epoch = string.format('%013.0f-%s', math.max(math.floor(now_us / 1000), newest_ms + 1), string.sub(life, 1, 8))
  line.size = 0
  store_line(segments)
end

-- Another life of the data: no clock goes on where it stood, and the bucket is empty: a burst is at most one second of
-- the rate.
local function begin_life()
  line.life, line.open_ms, line.ticked_us = life, line.open_ms or 0, whole(now_us)
  line.tat_us = whole(now_us + 1000000)
end

-- Another life, or another line than the caller saw. Where segments come in an epoch begins, so that everybody compares.
-- Returns whether the caller's positions hold.
local function compare(seen_epoch, seen)
  local stored = line.epoch or ''
  local segments, added, holds = fold(seen)
  local another = line.life ~= life or stored < seen_epoch
  if another then begin_life() end
  if another or added then
    begin_epoch(segments, seen_epoch > stored and seen_epoch or stored)
  else
    line.size = segments[#segments][3]
    segments[#segments] = nil
    store_line(segments)
  end
  return holds
end

-- The freeze: who is in the line will be drawn, who comes from now on queues behind. It happens once, before any call.
local function freeze()
  local segments = all_segments()
  for i, segment in ipairs(segments) do segment[2] = i == 1 and 'drawn' or 'with' end
  begin_epoch(segments, line.epoch)
end

local NAMES_PLACES = {claim = true, leave = true, expire = true, pass_over = true, advance = true}

-- An empty Redis is nobody's to begin but theirs who have the record, and give back with it what they saw of the line.
local freezes_us = tonumber(redis.call('HGET', EVENT, 'freezes_us') or nil)
if VERB ~= 'put_event' and not freezes_us then
  return redis.error_reply('NOEVENT put the record first')
end
-- With a place at another position than it has now, somebody else's would be taken or given up.
if (line.life ~= life or line.epoch ~= ARGV[1]) and not compare(ARGV[1], cjson.decode(ARGV[2])) and NAMES_PLACES[VERB] then
  return redis.error_reply('OUTDATED look at the line again')
end
if freezes_us and now_us >= freezes_us and tonumber(line.serving) == 0
  and not string.find(line.segments, '"drawn"', 1, true) then freeze() end

