-- Purpose: move the mark, never back and never past the tail; run the open clock; end old graces and reservations.
-- Flags: allow-oom
-- KEYS[1] event: hash; KEYS[2] line: hash; KEYS[3] calls: zset, place -> open clock ms
-- KEYS[4] sessions: zset, session and group -> start or last heartbeat, µs
-- ARGV[3] target place
-- Returns: {serving place, expired place, open clock ms}
-- Cost: O(log calls + groups + seats given back); calls hold one entry a second of the grace
local grace_ms, opens_us, closes_us, paused, seat_us, groups = unpack(redis.call('HMGET', EVENT, 'grace_ms', 'opens_us',
  'closes_us', 'paused', 'seat_us', 'groups'))
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', whole(now_us - seat_us), 'LIMIT', 0, 1000)) do
  release(KEYS[4], string.sub(member, 1, 12), string.sub(member, 13))
end
for group in string.gmatch(groups, '%S+') do keep(group) end
local _, taken = filled('')
local open = now_us >= tonumber(opens_us) and now_us < tonumber(closes_us) and paused == '0' and not taken
  and line.allowed_interval_us ~= '0'
-- The clock of the grace stands while nobody can get in (paused, all seats taken, the origin to be left alone) and while
-- nothing ticks: time without service is no one's fault.
local tick_ms = math.min(2000, math.max(0, math.floor((now_us - line.ticked_us) / 1000)))
local open_ms = tonumber(line.open_ms) + (open and tick_ms or 0)
local tail = #cjson.decode(line.segments) * RANKS + tonumber(line.size)
local serving = tonumber(line.serving)
local target = math.max(serving, math.min(tonumber(ARGV[3]), tail))
local latest = redis.call('ZRANGE', KEYS[3], -1, -1, 'WITHSCORES')
if target > tonumber(latest[1] or line.expired) then -- also those whose call was lost with the data
  -- One entry a second, under its last stamp, which is the generous one. No stamp is used twice: whoever asks for
  -- later steps than they know misses none.
  redis.call('ZREMRANGEBYSCORE', KEYS[3], whole(open_ms - open_ms % 1000), '+inf')
  redis.call('ZADD', KEYS[3], whole(math.max(open_ms, (latest[2] or -1) + 1)), whole(target))
end
local due = redis.call('ZREVRANGEBYSCORE', KEYS[3], whole(open_ms - grace_ms), '-inf', 'LIMIT', 0, 1)[1]
local expired = math.max(tonumber(line.expired), tonumber(due or 0))
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', whole(open_ms - grace_ms))
redis.call('HSET', LINE, 'serving', whole(target), 'expired', whole(expired), 'open_ms', whole(open_ms),
  'ticked_us', whole(now_us))
return {whole(target), whole(expired), whole(open_ms)}
