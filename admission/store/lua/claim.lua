-- Purpose: admit called applicants: token bucket (GCRA), capacity, quota, grace and identity in one step.
-- Flags: allow-oom
-- KEYS[1] event: hash; KEYS[2] line: hash; KEYS[3] sessions: zset, session -> start µs
-- KEYS[2 * i + 2] settled: bitmap by rank, of claim i; KEYS[2 * i + 3] index: hash, bucket of claim i
-- ARGV[5 * i - 2 .. 5 * i + 2] session, 12 bytes; check, 6 bytes; place; segment of its epoch; number
-- Returns: {{problem or '', start µs, repeated 0|1, µs until a retry}, …}
-- Cost: O(claims + lapsed sessions), at most 128 and the capacity
local limits = redis.call('HMGET', EVENT, 'session_us', 'interval_us', 'burst', 'capacity', 'quota', 'opens_us',
  'closes_us', 'paused')
for i = 1, 8 do limits[i] = tonumber(limits[i] or nil) end
local session_us, interval_us, burst, capacity, quota, opens_us, closes_us, paused = unpack(limits, 1, 8)
if not session_us then return redis.error_reply('NOEVENT put the record first') end
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', whole(now_us - session_us))
local active, completed = redis.call('ZCARD', KEYS[3]), tonumber(line.completed)
-- A wall clock that jumped back would shut the door until it caught up: no debt is longer than the bucket.
local tat_us = math.max(now_us, math.min(tonumber(line.tat_us), now_us + math.max(1000000, burst * interval_us)))
local before_us = tat_us

local function event_problem()
  if now_us >= closes_us then return 'event-closed' end
  if now_us < opens_us then return 'event-not-open' end
  if quota >= 0 and completed >= quota then return 'event-full' end
  if paused == 1 then return 'event-paused' end
end

local function door_us()
  if active >= capacity or (quota >= 0 and completed + active >= quota) then return 1000000 end
  return tat_us - now_us - (burst - 1) * interval_us
end

local function claim(session, check, place, segment, number, settled, bucket)
  local row, started = read_row(bucket, session), running(KEYS[3], session, session_us)
  local mine = row ~= nil and row.segment == segment and row.number == number
  if row and not mine and not ended(row, started) then return {'identity-in-line', 0, 0, 0} end
  if mine and has(row, COMPLETED) then return {'completed', 0, 0, 0} end
  if mine and has(row, ADMITTED) and started then return {'', whole(started), 1, 0} end
  local used = mine and has(row, LEFT) or redis.call('GETBIT', settled, place % RANKS) == 1
  if used then return {mine and has(row, ADMITTED) and not has(row, LEFT) and 'session-lapsed' or 'left', 0, 0, 0} end
  local problem = event_problem() or (place > tonumber(line.serving) and 'not-called')
    or (place <= tonumber(line.expired) and 'grace-over')
  if problem then return {problem, 0, 0, 0} end
  local wait_us = door_us()
  if wait_us > 0 then return {'door-busy', 0, 0, math.ceil(wait_us)} end
  tat_us, active, line.admitted = tat_us + interval_us, active + 1, line.admitted + 1
  redis.call('ZADD', KEYS[3], whole(now_us), session)
  redis.call('SETBIT', settled, place % RANKS, 1)
  write_row(bucket, session, {flags = ADMITTED, segment = segment, number = number, check = check})
  return {'', whole(now_us), 0, 0}
end

local answers = {}
for i = 1, (#ARGV - 2) / 5 do
  local session, check, place, segment, number = unpack(ARGV, 5 * i - 2, 5 * i + 2)
  answers[i] = claim(session, check, tonumber(place), tonumber(segment), tonumber(number),
    KEYS[2 * i + 2], KEYS[2 * i + 3])
end
if tat_us > before_us then redis.call('HSET', LINE, 'tat_us', whole(math.ceil(tat_us)), 'admitted', line.admitted) end
return answers
