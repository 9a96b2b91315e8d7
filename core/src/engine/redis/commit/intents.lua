-- The intent that the batch carries out or drops, and the fields it holds.
local resolved, found

-- By bytes: the server's own order of texts may be that of a language.
local function precedes(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

-- True if nothing can lie at or above a lower end and at or below an upper one, both as ZRANGE BYLEX has them.
local function apart(low, high)
  if low == '-' or high == '+' then return false end
  local from, to = sub(low, 2), sub(high, 2)
  if from == to then return sub(low, 1, 1) ~= '[' or sub(high, 1, 1) ~= '[' end
  return precedes(to, from)
end

-- Who holds ranges, one each: the keyspace's letter, the ends, the intent's mark.
local all_ranges
local function each_range(space, test)
  if not all_ranges then
    all_ranges = {}
    local stored = call('HVALS', ranges)
    for i = 1, #stored do
      local letter, length, rest = string.match(stored[i], '^(.)(%d+):(.*)$', 49)
      all_ranges[i] = { letter, sub(rest, 1, tonumber(length)), sub(rest, tonumber(length) + 1), sub(stored[i], 1, 48) }
    end
  end
  for _, range in ipairs(all_ranges) do
    if range[1] == space and sub(range[4], 1, 33) ~= resolved and test(range[2], range[3]) then return range[4] end
  end
end

-- The mark of another intent that holds the key of a field: a keyspace's letter and the key.
local function holder(field)
  local by = call('HGET', held, field)
  if by and sub(by, 1, 33) ~= resolved then return by end
  local at = '[' .. sub(field, 2)
  return each_range(sub(field, 1, 1), function(low, high) return not apart(low, at) and not apart(at, high) end)
end

-- The mark of another intent that holds a key of a range, or a range that meets it.
local function range_holder(space, from, to)
  if not is_held then return nil end
  local by = each_range(space, function(low, high) return not apart(low, to) and not apart(from, high) end)
  if by then return by end
  for _, field in ipairs(call('HKEYS', held)) do
    local at = '[' .. sub(field, 2)
    if sub(field, 1, 1) == space and not apart(from, at) and not apart(at, to) then
      by = call('HGET', held, field)
      if sub(by, 1, 33) ~= resolved then return by end
    end
  end
end

-- True if somebody else's client has changed a key that this intent holds: its value is the newer one.
local function overtaken(field, version)
  local by = found and found[field]
  return by and version ~= '' and version ~= sub(by, 49)
end

-- Whether a row may write: nil, or why not. A key is asked for once a batch.
local asked
local function refusal(field)
  if not is_held or asked[field] then return nil end
  asked[field] = true
  return holder(field)
end

