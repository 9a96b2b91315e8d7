#!lua flags=no-writes
-- Finds the commands that the user may not run. The server checks the user before it refuses a write of a script that
-- is marked like this one, so nothing is written.
-- KEYS: a name that no key has. ARGV: commands, each with its arguments: k for the name, v for something else.
-- Returns the names of the commands that are not allowed.
local missing = {}
for _, command in ipairs(ARGV) do
  local name, letters = string.match(command, '^(%S+) (%a*)$')
  local arguments = {}
  for letter in string.gmatch(letters, '.') do arguments[#arguments + 1] = letter == 'k' and KEYS[1] or '0' end
  local result = redis.pcall(name, unpack(arguments))
  local text = type(result) == 'table' and result.err or ''
  if string.find(text, 'ACL failure', 1, true) or string.find(text, 'user executing the script', 1, true) then
    missing[#missing + 1] = name
  end
end
return missing
