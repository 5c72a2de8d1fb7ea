-- Purpose: stands before every mutating verb: the clock, and the line as it is.
-- KEYS[1] event: hash, the record and its limits
-- KEYS[2] line: hash, segments, marks, bucket, totals
-- ARGV[1] newest epoch that the caller saw, '' for none
-- ARGV[2] JSON, the line that it saw: segments, serving, expired, admitted, completed, sessions, reserved; groups, each
-- with completed, reserved, and what is kept: after and up to which place
local EVENT, LINE = KEYS[1], KEYS[2]
local RANKS = 4294967296
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local life = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local FIELDS = {'life', 'epoch', 'segments', 'size', 'serving', 'expired', 'tat_us', 'open_ms', 'ticked_us', 'admitted',
  'completed', 'reserved', 'lost', 'lost_sessions', 'lost_at_us', 'door', 'door_us', 'allowed', 'allowed_interval_us'}
local line, values = {}, redis.call('HMGET', LINE, unpack(FIELDS))
for i, name in ipairs(FIELDS) do line[name] = values[i] or nil end

local function whole(number) return string.format('%.0f', number) end

