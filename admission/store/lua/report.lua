-- Purpose: the origin's word on sessions: completed (once, a late one counts too), left, revoked, or still there.
-- Flags: allow-oom
-- KEYS[1] event: hash; KEYS[2] line: hash
-- KEYS[3] sessions: zset, session and group -> start or last heartbeat, µs
-- KEYS[3 + i] index: hash, the bucket of report i
-- ARGV[2 * i] kind: completed, left, revoked or heartbeat; ARGV[2 * i + 1] session, 12 bytes
-- Returns: {result, …}: the kind, or late, repeated, unknown
-- Cost: O(reports * log sessions), at most 100 reports
local session_us = limits_of('session_us')

-- One that lapsed is not brought back: its place may be somebody else's by now. Where Redis lost sessions, the site
-- knows better than a row that is not there, or is of a copy made before the claim.
local function renew(session, row, held, started)
  if has(row, COMPLETED) then return 'repeated' end
  local lost = not started and not has(row, ADMITTED) and missing('lost_sessions', '', session_us) > 0
  if started or lost then
    reserve(KEYS[3], session, held, now_us)
    if lost then found(held) end
    return 'heartbeat'
  end
  if has(row, LEFT) then return 'repeated' end
  return has(row, ADMITTED) and 'late' or 'unknown'
end

local function hear(kind, session, bucket)
  local row = read_row(bucket, session)
  local group = row and row.group or ''
  -- The seat may have come back by a heartbeat before the row did, under no group.
  local held = redis.call('ZSCORE', KEYS[3], session .. group) and group or ''
  local started = running(KEYS[3], session, held, session_us)
  if kind == 'heartbeat' then return renew(session, row, held, started) end
  if row == nil and not started then found(held) end -- it was lost, and is over
  release(KEYS[3], session, held)
  if has(row, COMPLETED) then return 'repeated' end
  if kind == 'completed' then
    -- A session that Redis lost is counted all the same: the origin, which is trusted, served this person.
    row = row or {flags = 0, ticket = UNKNOWN, check = string.rep('\0', 6), group = ''}
    add_flag(bucket, session, row, bit.bor(ADMITTED, COMPLETED))
    count('completed', group, 1)
    return started and 'completed' or 'late'
  end
  if row == nil or not has(row, ADMITTED) then return 'unknown' end
  if has(row, LEFT) then return 'repeated' end
  add_flag(bucket, session, row, LEFT)
  return kind
end

local results = {}
for i = 1, #KEYS - 3 do results[i] = hear(ARGV[2 * i], ARGV[2 * i + 1], KEYS[3 + i]) end
return results
