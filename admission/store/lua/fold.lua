-- Purpose: stands between segments and epochs: what a caller saw and Redis has not is folded in, whoever comes first.

-- Sessions of which Redis knows nothing any more hold seats and count as running until they must have ended: of those
-- that the caller saw, at most as many as were admitted since this data were written. Whose group they were of nobody
-- can tell, so that they take its seats for good.
local function keep_lost(seen)
  local unknown = math.max(0, (seen.admitted or 0) - tonumber(line.admitted or 0))
  if unknown > 0 then
    local session_us, seat_us = unpack(redis.call('HMGET', EVENT, 'session_us', 'seat_us'))
    local lost, running = missing('lost', tonumber(seat_us or 0)), missing('lost_sessions', tonumber(session_us or 0))
    line.lost, line.lost_at_us = whole(math.min(seen.reserved, lost + unknown)), whole(now_us)
    line.lost_sessions = whole(math.min(seen.sessions, running + unknown))
  end
  for group, counts in pairs(seen.groups or {}) do
    local completed = tonumber(redis.call('HGET', LINE, of('completed', group)) or 0)
    local gone = math.max(0, counts[1] - completed) + math.min(counts[2], unknown)
    if gone > 0 then redis.call('HINCRBY', LINE, of('completed', group), gone) end
    if counts[3] then widen(group, counts[3], counts[4]) end
  end
end

-- What both know, into `line` but for the segments. Returns those, whether any came in, and whether the caller knows
-- each of its own by the position that it has now.
local function fold(seen)
  local segments = all_segments()
  local added = unite(segments, seen.segments)
  keep_lost(seen)
  local common = in_common(segments, seen.segments)
  local last = common < #seen.segments and common * RANKS or math.huge -- a mark behind it would name others here
  for _, name in ipairs({'serving', 'expired'}) do seen[name] = math.min(seen[name] or 0, last) end
  for _, name in ipairs({'serving', 'expired', 'admitted', 'completed'}) do
    line[name] = whole(math.max(tonumber(line[name] or 0), seen[name] or 0))
  end
  return segments, added, common == #seen.segments
end

