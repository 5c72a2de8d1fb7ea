-- Purpose: stands between seats and rows: what callers saw and Redis lost comes back; lives and the freeze begin epochs.
local seen = cjson.decode(ARGV[1])
local TOTALS, MARKS = {'open_ms', 'admitted', 'completed', 'frozen'}, {'serving', 'expired'} -- never become less

-- All segments as {epoch, size, drawn}, in the order in which Redis heard of them: rows name them by their position,
-- which therefore never changes. The line has them in the order of their epochs.
local segments = cjson.decode(line.segments or '[]')
local position = {}
for i, each in ipairs(segments) do
  position[each[1]] = i
  if each[1] == line.epoch then each[2] = stored('size') end
end

-- Adds a segment, or what is more of it than is known; returns whether anything was.
local function add(epoch, size, drawn)
  local here = segments[position[epoch]]
  if here and here[2] >= size and here[3] >= drawn then return false end
  if not here then
    here = {epoch, 0, 0}
    segments[#segments + 1] = here
    position[epoch] = #segments
  end
  here[2], here[3] = math.max(here[2], size), math.max(here[3], drawn)
  return true
end

local function store_line()
  line.segments = cjson.encode(segments)
  for name, value in pairs(line) do redis.call('HSET', LINE, name, value) end
end

-- Microseconds and 2 bits of the server's life: two lives of one server never share an epoch. Those of two servers do
-- with a chance of one in a million if both begin in the same second.
local function begin_epoch()
  local newest = DRAW
  for _, each in ipairs(segments) do newest = later(newest, each[1]) end
  local now = now_us * 4 + tonumber(string.sub(life, 1, 1), 16) % 4
  line.epoch, line.size = string.format('%016.0f', math.max(now, tonumber(newest) + 1)), 0
  add(line.epoch, 0, 0)
  store_line()
end

local learning_us, freezes_us = limits_of('learning_us', 'freezes_us')
if VERB == 'put_event' then learning_us, freezes_us = tonumber(ARGV[5]), tonumber(ARGV[6]) end
-- Only a process that has the record may begin a line in an empty Redis: with the record it gives back what it saw.
if not learning_us then return redis.error_reply('NOEVENT put the record first') end

-- A wall clock that jumped back makes no window longer.
local function learning()
  local left_us = stored('learns_until_us') - now_us
  return left_us > 0 and left_us <= learning_us
end

-- If some places were lost, more may be: newcomers wait until the window ends, so that earlier tickets can be shown.
local function learn()
  if learning_us == 0 then return end
  local first = seen.learns_until_us > now_us and seen.newcomers_from or line.epoch
  if learning() and line.newcomers_from < first then first = line.newcomers_from end
  line.newcomers_from, line.learns_until_us = first < line.epoch and first or line.epoch, whole(now_us + learning_us)
  redis.call('HSET', LINE, 'newcomers_from', line.newcomers_from, 'learns_until_us', line.learns_until_us)
end

-- Another life of the data: no clock goes on meanwhile, and the bucket is empty: a burst is at most one second of the
-- rate. `lost`: it has less than somebody saw, or nobody can tell whether it has.
local function begin_life(lost)
  line.life, line.ticked_us, line.tat_us = life, whole(now_us), whole(now_us + 1000000)
  line.answered_us = line.ticked_us
  local learns = learning() or seen.learns_until_us > now_us
  begin_epoch()
  if lost or learns then learn() end
end

-- Whether this is another life than the caller saw, or an older copy: something is less that never is.
local function went_back()
  if line.life ~= life or line.epoch < seen.epoch then return true end
  if line.epoch > seen.epoch then return false end -- the caller has not seen this life yet
  local less = stored('size') < seen.size
  for _, name in ipairs(TOTALS) do less = less or stored(name) < seen[name] end
  for _, name in ipairs(MARKS) do less = less or line[name] < seen[name] end
  return less
end

-- Sessions of which Redis knows nothing any more hold seats and count as running until they must have ended: of those
-- that the caller saw, at most as many as were admitted since this data were written.
local function keep_lost()
  local unknown = math.max(0, seen.admitted - stored('admitted'))
  local session_us, seat_us = limits_of('session_us', 'seat_us')
  for group, counts in pairs(seen.groups) do
    local completed, lost = of('completed', group), of('lost', group)
    redis.call('HSET', LINE, completed, math.max(counts[1], tonumber(redis.call('HGET', LINE, completed) or 0)))
    if unknown > 0 then
      redis.call('HSET', LINE, lost, math.min(counts[2], missing('lost', group, seat_us) + unknown))
    end
  end
  if unknown > 0 then
    line.lost = whole(math.min(seen.reserved, missing('lost', '', seat_us) + unknown))
    line.lost_sessions = whole(math.min(seen.sessions, missing('lost_sessions', '', session_us) + unknown))
    line.lost_at_us = whole(now_us)
  end
end

-- Segments, marks and totals of both; returns whether Redis had less of them.
local function merge()
  local less = false
  for _, each in ipairs(seen.segments) do less = add(each[1], each[2], each[3]) or less end
  keep_lost()
  for _, name in ipairs(TOTALS) do
    less = less or stored(name) < seen[name]
    line[name] = whole(math.max(stored(name), seen[name]))
  end
  for _, name in ipairs(MARKS) do
    less = less or (line[name] or NOBODY) < seen[name]
    line[name] = later(line[name] or NOBODY, seen[name])
  end
  return less
end

if went_back() then
  local less = merge()
  begin_life(less or #seen.segments == 0 and not (VERB == 'put_event' and ARGV[7] == 'new'))
elseif line.epoch > seen.epoch and #seen.segments > 0 then
  local less = merge()
  store_line()
  if less then learn() end
end
-- The freeze: who is in the line will be drawn, who joins from now on stands behind. It happens once, before any call.
if now_us >= freezes_us and stored('frozen') == 0 and line.serving == NOBODY then
  for _, segment in ipairs(segments) do segment[3] = segment[2] end
  line.frozen = 1
  begin_epoch()
end

