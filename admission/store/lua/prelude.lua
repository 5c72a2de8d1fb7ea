-- Purpose: stands before every mutating verb: the clock, the life check that opens an epoch, rows of the index.
-- KEYS[1] event: hash, the record and its limits
-- KEYS[2] line: hash, segments, marks, bucket, totals
-- ARGV[1] newest epoch that the caller saw, '' for none
-- ARGV[2] JSON, the line that it saw: segments, serving, expired, admitted, completed
local EVENT, LINE = KEYS[1], KEYS[2]
local ADMITTED, COMPLETED, LEFT, RANKS = 1, 2, 4, 4294967296
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local life = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local line, flat = {}, redis.call('HGETALL', LINE)
for i = 1, #flat, 2 do line[flat[i]] = flat[i + 1] end

local function whole(number) return string.format('%.0f', number) end

-- Another life: what the caller saw is folded in where it is newer, and an epoch above all that were seen begins.
local function open_epoch(seen_epoch, seen)
  local stored = line.epoch or ''
  local segments = cjson.decode(line.segments or '[]')
  if stored ~= '' then segments[#segments + 1] = {stored, 'first_come', tonumber(line.size)} end
  if seen_epoch > stored then
    segments = seen.segments
  elseif seen_epoch == stored and stored ~= '' then
    segments[#segments][3] = math.max(segments[#segments][3], seen.segments[#seen.segments][3])
  end
  for _, name in ipairs({'serving', 'expired', 'admitted', 'completed'}) do
    line[name] = whole(math.max(tonumber(line[name] or 0), seen[name] or 0))
  end
  local newest_ms = tonumber(string.sub(seen_epoch > stored and seen_epoch or stored, 1, 13)) or 0
  line.epoch = string.format('%013.0f-%s', math.max(math.floor(now_us / 1000), newest_ms + 1), string.sub(life, 1, 8))
  line.segments = #segments > 0 and cjson.encode(segments) or '[]'
  line.life, line.size, line.open_ms = life, 0, line.open_ms or 0
  line.tat_us = whole(now_us + 1000000) -- an empty bucket: a burst is at most one second of the rate
  line.ticked_us = whole(now_us)
  for name, value in pairs(line) do redis.call('HSET', LINE, name, value) end
end

if line.life ~= life or line.epoch < ARGV[1] then open_epoch(ARGV[1], cjson.decode(ARGV[2])) end

local function read_row(bucket, session)
  local row = redis.call('HGET', bucket, string.sub(session, 3))
  if not row then return nil end
  local flags, segment, number, check = struct.unpack('>BI2I4c6', row)
  return {flags = flags, segment = segment, number = number, check = check}
end

local function write_row(bucket, session, row)
  local value = struct.pack('>BI2I4c6', row.flags, row.segment, row.number, row.check)
  redis.call('HSET', bucket, string.sub(session, 3), value)
end

local function has(row, flag) return row ~= nil and bit.band(row.flags, flag) ~= 0 end

-- The start of the running session of a tag, or nil.
local function running(sessions, session, session_us)
  local started = tonumber(redis.call('ZSCORE', sessions, session) or nil)
  return started and started + session_us > now_us and started or nil
end

-- Whether a row no longer holds its tag's place: left, lapsed or expired.
local function ended(row, started)
  if has(row, COMPLETED) then return false end
  if has(row, LEFT) then return true end
  if has(row, ADMITTED) then return started == nil end
  return row.segment * RANKS + row.number <= tonumber(line.expired)
end
