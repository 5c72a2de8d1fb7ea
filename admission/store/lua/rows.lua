-- Purpose: stands between the line and every mutating verb: rows of the index.
local ADMITTED, COMPLETED, LEFT, EXPIRED, KEPT = 1, 2, 4, 8, 16
local UNKNOWN = '' -- the ticket of a session of which only the site told

local function read_row(bucket, session)
  local row = redis.call('HGET', bucket, string.sub(session, 3))
  if not row then return nil end
  local flags, at, number, check = struct.unpack('>BI2I4c6', row)
  local ticket = at > 0 and text(segments[at][1], number) or UNKNOWN
  return {flags = flags, ticket = ticket, check = check, group = string.sub(row, 14)}
end

local function write_row(bucket, session, row)
  local at = position[string.sub(row.ticket, 1, 16)] or 0
  local value = struct.pack('>BI2I4c6', row.flags, at, rank_of(row.ticket) or 0, row.check) .. row.group
  redis.call('HSET', bucket, string.sub(session, 3), value)
end

local function has(row, flag) return row ~= nil and bit.band(row.flags, flag) ~= 0 end

local function add_flag(bucket, session, row, flag)
  row.flags = bit.bor(row.flags, flag)
  write_row(bucket, session, row)
end

-- The start or last heartbeat of the running session of a tag, or nil.
local function running(sessions, session, group, session_us)
  local started = tonumber(redis.call('ZSCORE', sessions, session .. group) or nil)
  return started and started + session_us > now_us and started or nil
end

-- Whether a row no longer holds its tag's place: left, lapsed or expired. While graces end within what was drawn, which
-- is always at the beginning of the line, a number does not tell its place: see the verb expire.
local function ended(row, started)
  if has(row, COMPLETED) then return false end
  if has(row, LEFT) or has(row, EXPIRED) then return true end
  if has(row, ADMITTED) then return started == nil end
  local in_draw = stored('frozen') == 1 and string.sub(line.expired, 1, 16) == DRAW
  return not has(row, KEPT) and not in_draw and row.ticket <= line.expired
end

-- Whether a ticket was given before that of the row of its tag, which Redis had forgotten when it gave that one: a tag
-- has one place, the earliest. Within one life the row knows better: others may have joined under the same NIK.
local function goes_before(ticket, row)
  local forgotten = learning() or string.sub(ticket, 1, 16) < string.sub(row.ticket, 1, 16)
  return forgotten and ticket < row.ticket and not has(row, ADMITTED) and not has(row, COMPLETED)
end

