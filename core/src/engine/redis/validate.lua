-- Read validation: checks that keys still have the versions that a transaction has read.
-- KEYS: values, then user keys.
-- ARGV: time in ms, the versions of the user keys, then internal keys, each with its version.
-- Returns 0, or the number of the first key with another version, counted from one.
local now, users = tonumber(ARGV[1]), #KEYS - 1

local function digest(text, expiry)
  if expiry ~= '' then text = text .. '\0' .. expiry end
  return '8' .. string.sub(redis.sha1hex(text), 1, 31)
end

for i = 1, users do
  local text = redis.pcall('GET', KEYS[i + 1])
  if type(text) == 'table' then return i end
  local version = ''
  if text then
    local expiry = redis.call('PEXPIRETIME', KEYS[i + 1])
    version = digest(text, expiry >= 0 and string.format('%.0f', expiry) or '')
  end
  if version ~= ARGV[i + 1] then return i end
end
local at = users
for i = users + 2, #ARGV, 2 do
  at = at + 1
  local stored = redis.call('HGET', KEYS[1], ARGV[i])
  local expiry = stored and string.match(stored, '^\1%a(%d+) ')
  if expiry and tonumber(expiry) <= now then stored = nil end
  if (stored and digest(stored, '') or '') ~= ARGV[i + 1] then return at end
end
return 0
