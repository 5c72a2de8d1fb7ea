-- Purpose: stands between seats and rows: the life check that opens an epoch, the freeze.
-- Numbers count from 1 again, behind these segments, in an epoch above all that were seen.
local function begin_epoch(segments, newest_ms)
  line.epoch = string.format('%013.0f-%s', math.max(math.floor(now_us / 1000), newest_ms + 1), string.sub(life, 1, 8))
  line.segments, line.size = #segments > 0 and cjson.encode(segments) or '[]', 0
  for name, value in pairs(line) do redis.call('HSET', LINE, name, value) end
end

local function stored_segments()
  local segments = cjson.decode(line.segments or '[]')
  if line.epoch then segments[#segments + 1] = {line.epoch, 'first_come', tonumber(line.size)} end
  return segments
end

-- Another life: what the caller saw is folded in where it is newer.
local function open_epoch(seen_epoch, seen)
  local stored, segments = line.epoch or '', stored_segments()
  if seen_epoch > stored then
    segments = seen.segments
  elseif seen_epoch == stored and stored ~= '' then
    segments[#segments][3] = math.max(segments[#segments][3], seen.segments[#seen.segments][3])
  end
  keep_lost(seen)
  for _, name in ipairs({'serving', 'expired', 'admitted', 'completed'}) do
    line[name] = whole(math.max(tonumber(line[name] or 0), seen[name] or 0))
  end
  line.life, line.open_ms, line.ticked_us = life, line.open_ms or 0, whole(now_us)
  line.tat_us = whole(now_us + 1000000) -- an empty bucket: a burst is at most one second of the rate
  begin_epoch(segments, tonumber(string.sub(seen_epoch > stored and seen_epoch or stored, 1, 13)) or 0)
end

-- The freeze: who is in the line will be drawn, who comes from now on queues behind. It happens once, before any call.
local function freeze()
  local segments = stored_segments()
  for i, segment in ipairs(segments) do segment[2] = i == 1 and 'drawn' or 'with' end
  begin_epoch(segments, tonumber(string.sub(line.epoch, 1, 13)))
end

-- An empty Redis is nobody's to begin but theirs who have the record, and give back with it what they saw of the line.
local freezes_us = tonumber(redis.call('HGET', EVENT, 'freezes_us') or nil)
if VERB ~= 'put_event' and not freezes_us then
  return redis.error_reply('NOEVENT put the record first')
end
if line.life ~= life or line.epoch < ARGV[1] then open_epoch(ARGV[1], cjson.decode(ARGV[2])) end
if freezes_us and now_us >= freezes_us and tonumber(line.serving) == 0
  and not string.find(line.segments, '"drawn"', 1, true) then freeze() end

