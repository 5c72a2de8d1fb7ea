-- Purpose: stands between epochs and every mutating verb: rows of the index.
local ADMITTED, COMPLETED, LEFT, EXPIRED, PASSED = 1, 2, 4, 8, 16

local function read_row(bucket, session)
  local row = redis.call('HGET', bucket, string.sub(session, 3))
  if not row then return nil end
  local flags, segment, number, check = struct.unpack('>BI2I4c6', row)
  return {flags = flags, segment = segment, number = number, check = check, group = string.sub(row, 14)}
end

local function write_row(bucket, session, row)
  local value = struct.pack('>BI2I4c6', row.flags, row.segment, row.number, row.check) .. row.group
  redis.call('HSET', bucket, string.sub(session, 3), value)
end

local function has(row, flag) return row ~= nil and bit.band(row.flags, flag) ~= 0 end

-- The start or last heartbeat of the running session of a tag, or nil.
local function running(sessions, session, group, session_us)
  local started = tonumber(redis.call('ZSCORE', sessions, session .. group) or nil)
  return started and started + session_us > now_us and started or nil
end

-- Whether a row no longer holds its tag's place: left, lapsed or expired. While graces end within what was drawn, which is
-- always at the beginning of the line, a number does not tell its place: see the verb expire.
local drawn = string.find(line.segments, '"drawn"', 1, true) ~= nil
local function ended(row, started)
  if has(row, COMPLETED) then return false end
  if has(row, LEFT) or has(row, EXPIRED) then return true end
  if has(row, ADMITTED) then return started == nil end
  local expired, place = tonumber(line.expired), row.segment * RANKS + row.number
  return not (drawn and expired < RANKS) and place <= expired and not kept(row.group, place)
end

-- Whether the numbers of a segment are in the draw. There a tag has one entry, that of its row: with several it could
-- leave one after the other until it had the best.
local function in_draw(segment)
  local found = drawn and cjson.decode(line.segments)[segment + 1]
  return found and found[2] ~= 'first_come'
end
