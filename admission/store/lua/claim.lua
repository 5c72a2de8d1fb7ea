-- Purpose: admit called applicants: token bucket (GCRA), capacity, quotas, grace and identity in one step.
-- Flags: allow-oom
-- KEYS[1] event: hash; KEYS[2] line: hash; KEYS[3] sessions: zset, session and group -> start or last heartbeat, µs
-- KEYS[2 * i + 2] settled: bitmap by rank, of claim i; KEYS[2 * i + 3] index: hash, bucket of claim i
-- ARGV[5 * i - 3 .. 5 * i + 1] session, 12 bytes; check, 6 bytes; group; place; ticket
-- Returns: {{problem or '', start or last heartbeat µs, repeated 0|1, µs until a retry}, …}
-- Cost: O(claims * log sessions), at most 128 claims
local session_us, interval_us, burst, capacity, opens_us, closes_us, paused = limits_of('session_us', 'interval_us',
  'burst', 'capacity', 'opens_us', 'closes_us', 'paused')
capacity, interval_us, burst = allowed(capacity, interval_us, burst)
local active = missing('lost_sessions', '', session_us)
  + redis.call('ZCOUNT', KEYS[3], '(' .. whole(now_us - session_us), '+inf')
-- A wall clock that jumped back would shut the door until it caught up: no debt is longer than the bucket.
local tat_us = math.max(now_us, math.min(tonumber(line.tat_us), now_us + math.max(1000000, burst * interval_us)))
local before_us = tat_us

-- Why nobody (of this group) gets in; else whether all seats are taken, of which some may come back.
local function event_problem(group)
  if now_us >= closes_us then return 'event-closed' end
  if now_us < opens_us then return 'event-not-open' end
  local full, taken = filled('')
  if full or paused == 1 then return full and 'event-full' or 'event-paused' end
  return group ~= '' and select(2, filled(group)) and 'group-full' or nil, taken
end

local function claim(session, check, group, place, ticket, settled, bucket)
  local row = read_row(bucket, session)
  local started = running(KEYS[3], session, row and row.group or group, session_us)
  local mine = row ~= nil and row.ticket == ticket
  -- In the draw a tag has one entry: with several it could leave one after the other until it had the best.
  local others = row ~= nil and not mine and not goes_before(ticket, row)
  if others and (not ended(row, started) or string.sub(place, 1, 16) == DRAW) then return {'identity-in-line', 0, 0, 0} end
  if mine and has(row, COMPLETED) then return {'completed', 0, 0, 0} end
  if mine and has(row, ADMITTED) and not has(row, LEFT) and started then return {'', whole(started), 1, 0} end
  local kept = mine and has(row, KEPT)
  local used = mine and has(row, LEFT) or redis.call('GETBIT', settled, rank_of(place)) == 1 and not kept
  if used then return {mine and has(row, ADMITTED) and not has(row, LEFT) and 'session-lapsed' or 'left', 0, 0, 0} end
  local problem, taken = event_problem(group)
  problem = problem or (place > line.serving and 'not-called')
    or (place <= line.expired and not kept and 'grace-over')
  if problem then return {problem, 0, 0, 0} end
  local wait_us = (taken or active >= capacity) and 1000000 or tat_us - now_us - (burst - 1) * interval_us
  wait_us = at_the_door(place, wait_us)
  local flags = wait_us > 0 and KEPT or ADMITTED -- who asked in time keeps the turn until there is room
  row = {flags = flags, ticket = ticket, check = check, group = group}
  if not kept or flags == ADMITTED then write_row(bucket, session, row) end
  if wait_us > 0 then return {'door-busy', 0, 0, math.ceil(wait_us)} end
  tat_us, active, line.admitted = tat_us + interval_us, active + 1, line.admitted + 1
  reserve(KEYS[3], session, group, now_us)
  redis.call('SETBIT', settled, rank_of(place), 1)
  return {'', whole(now_us), 0, 0}
end

local answers = {}
for i = 1, (#ARGV - 1) / 5 do
  local session, check, group, place, ticket = unpack(ARGV, 5 * i - 3, 5 * i + 1)
  answers[i] = claim(session, check, group, place, ticket, KEYS[2 * i + 2], KEYS[2 * i + 3])
end
if tat_us > before_us then redis.call('HSET', LINE, 'tat_us', whole(math.ceil(tat_us)), 'admitted', line.admitted) end
return answers
