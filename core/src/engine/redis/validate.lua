-- Read validation: checks that keys still have the versions that a transaction has read.
-- KEYS: values, companions, then user keys.
-- ARGV: time in ms, the length of the key prefix, the versions of the user keys, then internal keys, each with its
-- version.
-- Returns 0, or the number of the first key with another version, counted from one.
local now, cut, users = tonumber(ARGV[1]), tonumber(ARGV[2]) + 1, #KEYS - 2
local has_companions = redis.call('EXISTS', KEYS[2]) == 1

local function digest(text, expiry)
  if expiry ~= '' then text = text .. '\0' .. expiry end
  return '8' .. string.sub(redis.sha1hex(text), 1, 31)
end

for i = 1, users do
  local key = KEYS[i + 2]
  local text = redis.pcall('GET', key)
  if type(text) == 'table' then return i end
  local version = ''
  if text then
    local expiry = redis.call('PEXPIRETIME', key)
    expiry = expiry >= 0 and string.format('%.0f', expiry) or ''
    version = digest(text, expiry)
    local companion = has_companions and redis.call('HGET', KEYS[2], string.sub(key, cut)) or ''
    if string.sub(companion, 1, 33) == version .. ' ' then
      version = digest(text, expiry .. '\0' .. string.sub(companion, 34))
    end
  end
  if version ~= ARGV[i + 2] then return i end
end
local at = users
for i = users + 3, #ARGV, 2 do
  at = at + 1
  local stored = redis.call('HGET', KEYS[1], ARGV[i])
  local expiry = stored and string.match(stored, '^\1%a(%d+) ')
  if expiry and tonumber(expiry) <= now then stored = nil end
  if (stored and digest(stored, '') or '') ~= ARGV[i + 1] then return at end
end
return 0
