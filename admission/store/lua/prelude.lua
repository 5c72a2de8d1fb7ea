-- Purpose: stands before every mutating verb: the clock, and the line as it is.
-- KEYS[1] event: hash, the record and its limits
-- KEYS[2] line: hash, segments, marks, bucket, totals
-- ARGV[1] JSON, the line as the caller last saw it: store/seen.py
local EVENT, LINE = KEYS[1], KEYS[2]
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
-- The replication id changes where an older copy comes back under the same process: by REPLICAOF, there and back.
local info = redis.call('INFO', 'server') .. redis.call('INFO', 'replication')
local life = string.match(info, 'run_id:(%x+)') .. string.match(info, 'master_replid:(%x+)')
local FIELDS = {'life', 'epoch', 'segments', 'size', 'serving', 'expired', 'tat_us', 'open_ms', 'ticked_us', 'admitted',
  'completed', 'frozen', 'reserved', 'lost', 'lost_sessions', 'lost_at_us', 'door', 'door_us', 'allowed',
  'allowed_interval_us', 'newcomers_from', 'learns_until_us', 'answered_us'}
local line, values = {}, redis.call('HMGET', LINE, unpack(FIELDS))
for i, name in ipairs(FIELDS) do line[name] = values[i] or nil end

local function whole(number) return string.format('%.0f', number) end
local function stored(name) return tonumber(line[name] or 0) end
local function limits_of(...)
  local limits = redis.call('HMGET', EVENT, ...)
  for i = 1, #limits do limits[i] = tonumber(limits[i] or nil) end
  return unpack(limits, 1, #limits)
end
-- An epoch is 16 digits, a place its segment and the 9 digits of a rank, a ticket its epoch and number: texts that
-- compare in the order of the line. A number of that length would lose its last digits in JSON.
local function text(segment, rank) return segment .. string.format('%09.0f', rank) end
local function rank_of(place) return tonumber(string.sub(place, 17)) end
local function later(one, other) return one > other and one or other end
local NOBODY, DRAW = string.rep('0', 25), string.rep('0', 16) -- the place before all others, the segment of the draw

