-- Purpose: stands between kept and fold: the segments, and those that a caller saw and Redis has not.
local function all_segments()
  local segments = cjson.decode(line.segments or '[]')
  if line.epoch then segments[#segments + 1] = {line.epoch, 'first_come', tonumber(line.size)} end
  return segments
end

local function in_common(segments, seen)
  for i, segment in ipairs(seen) do
    if not segments[i] or segments[i][1] ~= segment[1] then return i - 1 end
  end
  return #seen
end

-- The greater size; what is drawn takes none that was seen before its freeze: its draw may be sealed.
local function grow(segment, seen)
  if segment[2] == 'first_come' or seen[2] ~= 'first_come' then segment[3] = math.max(segment[3], seen[3]) end
end

-- Whether nobody joined or was called behind the first segments.
local function untouched(segments, after)
  for i = after + 1, #segments do
    if segments[i][3] > 0 then return false end
  end
  return tonumber(line.serving or 0) <= after * RANKS
end

-- Puts a segment at a position, from wherever it stood behind that.
local function place_at(segments, position, segment)
  for i = position, #segments do
    if segments[i] == segment then table.remove(segments, i) break end
  end
  table.insert(segments, position, segment)
end

-- Every epoch of both. One that Redis lost comes in where it stood; where somebody joined or was called behind there
-- meanwhile it comes in last: rows and marks name segments by their position, so that of people it never changes.
-- Returns whether any came in.
local function unite(segments, seen)
  local common, stands, size = in_common(segments, seen), {}, #segments
  for _, segment in ipairs(segments) do stands[segment[1]] = segment end
  local between, behind = untouched(segments, common), common
  for i, segment in ipairs(seen) do
    local here = stands[segment[1]]
    if here then grow(here, segment) end
    if i <= common then
      if here[2] == 'first_come' then here[2] = segment[2] end
    elseif between then
      behind = behind + 1
      place_at(segments, behind, here or segment)
    elseif not here then
      segments[#segments + 1] = {segment[1], 'first_come', segment[3]}
    end
  end
  for i = behind + 1, between and behind > common and #segments or 0 do segments[i][2] = 'first_come' end
  return #segments > size
end

