-- Purpose: admit called applicants: token bucket (GCRA), capacity, quotas, grace and identity in one step.
-- Flags: allow-oom
-- KEYS[1] event: hash; KEYS[2] line: hash; KEYS[3] sessions: zset, session and group -> start or last heartbeat, µs
-- KEYS[2 * i + 2] settled: bitmap by rank, of claim i; KEYS[2 * i + 3] index: hash, bucket of claim i
-- ARGV[6 * i - 3 .. 6 * i + 2] session, 12 bytes; check, 6 bytes; group; place; segment of its epoch; number
-- Returns: {{problem or '', start or last heartbeat µs, repeated 0|1, µs until a retry}, …}
-- Cost: O(claims * log sessions), at most 128 claims
local limits = redis.call('HMGET', EVENT, 'session_us', 'interval_us', 'burst', 'capacity', 'opens_us', 'closes_us',
  'paused')
for i = 1, 7 do limits[i] = tonumber(limits[i] or nil) end
local session_us, interval_us, burst, capacity, opens_us, closes_us, paused = unpack(limits, 1, 7)
capacity, interval_us, burst = allowed(capacity, interval_us, burst)
local active = missing('lost_sessions', session_us)
  + redis.call('ZCOUNT', KEYS[3], '(' .. whole(now_us - session_us), '+inf')
-- A wall clock that jumped back would shut the door until it caught up: no debt is longer than the bucket.
local tat_us = math.max(now_us, math.min(tonumber(line.tat_us), now_us + math.max(1000000, burst * interval_us)))
local before_us = tat_us

-- Why nobody (of this group) gets in; else whether all seats are taken, of which some may come back.
local function event_problem(group)
  if now_us >= closes_us then return 'event-closed' end
  if now_us < opens_us then return 'event-not-open' end
  local full, taken = filled('')
  if full then return 'event-full' end
  if paused == 1 then return 'event-paused' end
  return group ~= '' and select(2, filled(group)) and 'group-full' or nil, taken
end

local function claim(session, check, group, place, segment, number, settled, bucket)
  local row = read_row(bucket, session)
  local started = running(KEYS[3], session, row and row.group or group, session_us)
  local mine = row ~= nil and row.segment == segment and row.number == number
  if row and not mine and (not ended(row, started) or in_draw(segment)) then return {'identity-in-line', 0, 0, 0} end
  if mine and has(row, COMPLETED) then return {'completed', 0, 0, 0} end
  if mine and has(row, ADMITTED) and not has(row, LEFT) and started then return {'', whole(started), 1, 0} end
  local used = mine and has(row, LEFT)
    or redis.call('GETBIT', settled, place % RANKS) == 1 and not (mine and has(row, PASSED))
  if used then return {mine and has(row, ADMITTED) and not has(row, LEFT) and 'session-lapsed' or 'left', 0, 0, 0} end
  local problem, taken = event_problem(group)
  problem = problem or (place > tonumber(line.serving) and 'not-called')
    or (place <= tonumber(line.expired) and not kept(group, place) and 'grace-over')
  if problem then return {problem, 0, 0, 0} end
  local wait_us = (taken or active >= capacity) and 1000000 or tat_us - now_us - (burst - 1) * interval_us
  wait_us = at_the_door(place, wait_us)
  if wait_us > 0 then return {'door-busy', 0, 0, math.ceil(wait_us)} end
  tat_us, active, line.admitted = tat_us + interval_us, active + 1, line.admitted + 1
  reserve(KEYS[3], session, group)
  redis.call('SETBIT', settled, place % RANKS, 1)
  write_row(bucket, session, {flags = ADMITTED, segment = segment, number = number, check = check, group = group})
  return {'', whole(now_us), 0, 0}
end

local answers = {}
for i = 1, (#ARGV - 2) / 6 do
  local session, check, group, place, segment, number = unpack(ARGV, 6 * i - 3, 6 * i + 2)
  answers[i] = claim(session, check, group, tonumber(place), tonumber(segment), tonumber(number),
    KEYS[2 * i + 2], KEYS[2 * i + 3])
end
if tat_us > before_us then redis.call('HSET', LINE, 'tat_us', whole(math.ceil(tat_us)), 'admitted', line.admitted) end
return answers
