-- Adds internal records to the staged content. KEYS: staging, staged names, staged values.
-- ARGV: the id of the replacement, then keys, each with its stored text.
-- Returns how many keys are staged, or 0 if the staged content is gone.
local call, staging, names, values = redis.call, unpack(KEYS)
if call('GET', staging) ~= ARGV[1] then return 0 end
for from = 2, #ARGV, 4000 do
  local to, scored = math.min(from + 3999, #ARGV), {}
  for i = from, to, 2 do
    scored[#scored + 1] = 0
    scored[#scored + 1] = ARGV[i]
  end
  call('ZADD', names, unpack(scored))
  call('HSET', values, unpack(ARGV, from, to))
end
return call('ZCARD', names)
