-- The intent that the batch resolves, and the fields that this intent holds.
local resolved, found

-- Compares bytes: the operators of the server may compare texts as a language does.
local function precedes(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

-- True if no key lies between a lower end and an upper end, both as ZRANGE BYLEX takes them.
local function apart(low, high)
  if low == '-' or high == '+' then return false end
  local from, to = sub(low, 2), sub(high, 2)
  if from == to then return sub(low, 1, 1) ~= '[' or sub(high, 1, 1) ~= '[' end
  return precedes(to, from)
end

-- The first held range that passes a test. A range: the letter of its keyspace, its ends, the mark of its intent.
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

-- The mark of another intent that holds the key of a field. A field: the letter of a keyspace, and the key.
local function holder(field)
  local by = call('HGET', held, field)
  if by and sub(by, 1, 33) ~= resolved then return by end
  local at = '[' .. sub(field, 2)
  return each_range(sub(field, 1, 1), function(low, high) return not apart(low, at) and not apart(at, high) end)
end

-- The mark of another intent that holds a key of this range, or a range that overlaps it.
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

-- True if another program has changed a key that this intent holds. Its value is newer then.
local function overtaken(field, version)
  local by = found and found[field]
  return by and version ~= '' and version ~= sub(by, 49)
end

-- The mark of another intent that forbids a row to write, or nil. Each key is looked up once a batch.
local asked
local function refusal(field)
  if not is_held or asked[field] then return nil end
  asked[field] = true
  return holder(field)
end

