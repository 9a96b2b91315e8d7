-- Writes the next chunks of the new content. Behind the last chunk, ends the replacement.
-- KEYS: replacement, staged chunks, staged names, staged values, replaced, commit counter, companions, names, values,
-- held ranges, change log, feed.
-- ARGV: the id of the replacement, the time in ms, the length of the key prefix, the id in the held ranges.
-- Returns how many chunks are left, or -1 if the replacement is over.
local call, sub, now, cut = redis.call, string.sub, tonumber(ARGV[2]), tonumber(ARGV[3]) + 1
local replacement, chunks, staged_names, staged_values, replaced, seq, companions, names, values, ranges, log, feed =
  unpack(KEYS)
local commit, left = string.match(call('GET', replacement) or '', '^1 ' .. ARGV[1] .. ' w (%d+) (%d+)$')
if not left then return -1 end

-- The server refuses a script for lack of memory at its first write alone, and not if that is one like this.
call('PERSIST', replacement)

-- Names and texts.
local function write_plain(run)
  for from = 1, #run, 4000 do
    call('MSET', unpack(run, from, math.min(from + 3999, #run)))
  end
  if #run > 0 and call('EXISTS', companions) == 1 then
    for i = 1, #run, 2 do call('HDEL', companions, sub(run[i], cut)) end
  end
end

-- Names, texts, expiries, companions.
local function write_others(run)
  for i = 1, #run, 4 do
    local name, text, expiry, companion = unpack(run, i, i + 3)
    if expiry ~= '' and tonumber(expiry) <= now then
      call('UNLINK', name)
      companion = ''
    elseif expiry ~= '' then
      call('SET', name, text, 'PXAT', expiry)
    else
      call('SET', name, text)
    end
    if companion ~= '' then
      call('HSET', companions, sub(name, cut), companion)
    else
      call('HDEL', companions, sub(name, cut))
    end
  end
end

left = tonumber(left)
local written, size = 0, 0
while written < left and size < 262144 do
  local chunk = call('LINDEX', chunks, written)
  if not chunk then break end
  for number, run in ipairs(cmsgpack.unpack(chunk)) do
    if number % 2 == 1 then write_plain(run) else write_others(run) end
  end
  written, size = written + 1, size + #chunk
end
if written > 0 then
  call('LTRIM', chunks, written, -1)
  left = left - written
  call('SET', replacement, '1 ' .. ARGV[1] .. ' w ' .. commit .. ' ' .. left)
  return left
end

-- The keys that the engine keeps for itself stay.
for _, k in ipairs(call('ZRANGE', names, '-', '(\1', 'BYLEX')) do
  local stored = call('HGET', values, k)
  if stored then
    call('ZADD', staged_names, 0, k)
    call('HSET', staged_values, k, stored)
  end
end
call('UNLINK', names, values)
if call('EXISTS', staged_names, staged_values) == 2 then
  call('RENAME', staged_names, names)
  call('RENAME', staged_values, values)
end
commit = string.format('%.0f', call('INCRBY', seq, 1))
for _, stream in ipairs({ log, feed }) do
  if call('EXISTS', stream) == 1 then
    if stream == log then call('UNLINK', log) end
    -- If another program has changed the counter, the stream is of no more use.
    if type(redis.pcall('XADD', stream, commit .. '-0', 'o', 'replaced')) == 'table' then call('UNLINK', stream) end
  end
end
for _, field in ipairs(call('HKEYS', ranges)) do
  if sub(field, 1, #ARGV[4]) == ARGV[4] then call('HDEL', ranges, field) end
end
call('UNLINK', replacement, chunks, staged_names, staged_values)
call('SET', replaced, ARGV[1] .. ' ' .. commit .. ' ' .. left, 'PX', 86400000)
return -1
