-- Purpose: move the mark, never back and never past the tail; run the open clock; end old graces and reservations.
-- Flags: allow-oom
-- KEYS[1] event: hash; KEYS[2] line: hash; KEYS[3] calls: zset, place -> open clock ms
-- KEYS[4] sessions: zset, session and group -> start or last heartbeat, µs
-- ARGV[2] target place
-- Returns: {serving place, expired place, open clock ms}
-- Cost: O(log calls + seats given back); calls hold one entry a second of the grace
local grace_ms, opens_us, closes_us, paused, seat_us = limits_of('grace_ms', 'opens_us', 'closes_us', 'paused', 'seat_us')
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', whole(now_us - seat_us), 'LIMIT', 0, 1000)) do
  release(KEYS[4], string.sub(member, 1, 12), string.sub(member, 13))
end
local _, taken = filled('')
local open = now_us >= opens_us and now_us < closes_us and paused == 0 and not taken
  and line.allowed_interval_us ~= '0'
-- The clock of the grace stands while nobody can get in (paused, all seats taken, the origin to be left alone), while
-- nothing ticks, and while no gateway answers applicants: time without service is no one's fault.
local answered_us = math.min(now_us, stored('answered_us'))
local gap_ms = math.max(0, math.floor((answered_us - line.ticked_us) / 1000))
local tick_ms = gap_ms <= 2500 and gap_ms or 0 -- ticks are 2 s apart at most: a longer gap was an outage
local open_ms = stored('open_ms') + (open and tick_ms or 0)
-- Nobody may be called over people who are lost until their tickets have come: not while those are waited for.
local tail = NOBODY
for _, each in ipairs(segments) do
  if not learning() or each[1] < line.newcomers_from then tail = later(tail, text(each[1], each[2])) end
end
local target = later(line.serving, ARGV[2] < tail and ARGV[2] or tail)
local latest = redis.call('ZRANGE', KEYS[3], -1, -1, 'WITHSCORES')
if target > (latest[1] or line.expired) then -- also those whose call was lost with the data
  -- One entry a second, under its last stamp, which is the generous one. No stamp is used twice: whoever asks for
  -- later steps than they know misses none.
  redis.call('ZREMRANGEBYSCORE', KEYS[3], whole(open_ms - open_ms % 1000), '+inf')
  redis.call('ZADD', KEYS[3], whole(math.max(open_ms, (latest[2] or -1) + 1)), target)
end
local due = redis.call('ZREVRANGEBYSCORE', KEYS[3], whole(open_ms - grace_ms), '-inf', 'LIMIT', 0, 1)[1]
local expired = later(line.expired, due or NOBODY)
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', whole(open_ms - grace_ms))
redis.call('HSET', LINE, 'serving', target, 'expired', expired, 'open_ms', whole(open_ms),
  'ticked_us', whole(answered_us))
return {target, expired, whole(open_ms)}
