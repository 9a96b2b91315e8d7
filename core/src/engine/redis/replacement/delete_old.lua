-- Deletes keys of the old content, while it is being deleted. With ARGV[2], goes on to the next phase.
-- KEYS: replacement, companions, then user keys. ARGV: the id of the replacement, 'w' if no old key is left.
-- Returns 0 if the old content is not being deleted any more, else 1.
local call = redis.call
local rest = string.match(call('GET', KEYS[1]) or '', '^1 ' .. ARGV[1] .. ' d (.*)$')
if not rest then return 0 end
for from = 3, #KEYS, 4000 do
  call('UNLINK', unpack(KEYS, from, math.min(from + 3999, #KEYS)))
end
if ARGV[2] == 'w' then
  call('UNLINK', KEYS[2])
  call('SET', KEYS[1], '1 ' .. ARGV[1] .. ' w ' .. rest)
end
return 1
