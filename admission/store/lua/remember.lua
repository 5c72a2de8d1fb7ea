-- Purpose: bring back what tickets and journals prove and Redis has lost: places, and what has become of them.
-- Flags: allow-oom
-- KEYS[1] event: hash; KEYS[2] line: hash; KEYS[3] sessions: zset, session and group -> start or last heartbeat, µs
-- KEYS[2 * i + 2] settled: bitmap by rank, of proof i; KEYS[2 * i + 3] index: hash, bucket of proof i
-- ARGV[7 * i - 5 .. 7 * i + 1] session, 12 bytes, '' for a place without a row; check, 6 bytes; group; place, '' while
-- it is not known; ticket, '' of a report; flags; when, µs
-- Returns: 0
-- Cost: O(proofs * log sessions), at most 128
local session_us, seat_us = limits_of('session_us', 'seat_us')
local new, newest = {}, ''
for i = 6, #ARGV, 7 do
  local ticket = ARGV[i]
  new[ticket] = new[ticket] or ticket ~= UNKNOWN and add(string.sub(ticket, 1, 16), rank_of(ticket), 0)
  newest = later(newest, new[ticket] and ticket or '')
end
if newest > line.epoch then
  begin_life(true) -- the epoch goes on no more: who else has numbers of it is not known
elseif newest ~= '' then
  store_line()
  if not learning() and now_us - tonumber(line.epoch) / 4 < learning_us then learn() end
end

-- The row of a tag as it is to be, or nil where another place of it stands. `used`: this one was left, or admitted.
local function merged(row, proof, started, runs, used)
  local flags = row and row.ticket == UNKNOWN and row.flags or 0
  local anew = {flags = flags, ticket = proof.ticket, check = proof.check, group = proof.group}
  if row == nil then return anew end
  if row.ticket == proof.ticket or proof.ticket == UNKNOWN then return row end
  if row.ticket == UNKNOWN then return anew end
  if has(proof, LEFT) or has(row, COMPLETED) then return nil end
  if proof.ticket > row.ticket then return (has(proof, ADMITTED) or ended(row, started)) and anew or nil end
  return (runs or not used and goes_before(proof.ticket, row)) and anew or nil
end

-- `at_us` of an admission is its start, of a report when it came. Who left the queue while inside keeps the seat: only
-- the site's word, in a report, ends that.
local function remember(session, proof, place, at_us, settled, bucket)
  local before = read_row(bucket, session)
  local started = running(KEYS[3], session, before and before.group or proof.group, session_us)
  local over = has(before, COMPLETED) or has(before, ADMITTED) and has(before, LEFT)
  local seat_is_kept = has(proof, ADMITTED) and proof.ticket ~= UNKNOWN and at_us + seat_us > now_us
  if place ~= '' and (has(proof, ADMITTED) or has(proof, LEFT)) then redis.call('SETBIT', settled, rank_of(place), 1) end
  if has(proof, ADMITTED) then line.serving = later(line.serving, place) end -- it had been called
  local used = place ~= '' and redis.call('GETBIT', settled, rank_of(place)) == 1
  local row = merged(before, proof, started, seat_is_kept and at_us + session_us > now_us, used)
  if row == nil or proof.ticket == UNKNOWN and has(proof, LEFT) and started and started > at_us then return end
  -- Called before anybody knew of it: no grace has run.
  local unheard = new[proof.ticket] and proof.flags == 0 and place ~= '' and place <= line.serving
  add_flag(bucket, session, row, unheard and KEPT or proof.flags)
  if proof.ticket == UNKNOWN then release(KEYS[3], session, row.group) end
  if not seat_is_kept or over or not reserve(KEYS[3], session, row.group, at_us) then return end
  if at_us <= stored('lost_at_us') then found(row.group) end
end

for i = 2, #ARGV, 7 do
  local session, check, group, place, ticket, flags, at_us = unpack(ARGV, i, i + 6)
  local proof, at = {check = check, group = group, ticket = ticket, flags = tonumber(flags)}, 2 * (i - 2) / 7 + 4
  if session ~= '' then remember(session, proof, place, tonumber(at_us), KEYS[at], KEYS[at + 1]) end
end
return redis.call('HSET', LINE, 'serving', line.serving)
