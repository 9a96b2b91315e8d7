-- Removes companions without a key, or internal records that have expired.
-- KEYS: companions, names, values. ARGV: 'companions' or 'internal', the key prefix, the time in ms, fields.
for i = 4, #ARGV do
  local field = ARGV[i]
  if ARGV[1] == 'companions' then
    if redis.call('EXISTS', ARGV[2] .. field) == 0 then redis.call('HDEL', KEYS[1], field) end
  else
    local expiry = string.match(redis.call('HGET', KEYS[3], field) or '', '^\1%a(%d+) ')
    if expiry and tonumber(expiry) <= tonumber(ARGV[3]) then
      redis.call('ZREM', KEYS[2], field)
      redis.call('HDEL', KEYS[3], field)
    end
  end
end
return redis.status_reply('OK')
