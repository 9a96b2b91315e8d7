-- The commit point of a replacement: from now on the staged content is the one that counts. A second call is harmless.
-- KEYS: replacement, held keys, held ranges, staging, stager, staged chunks, staged names, replaced, commit counter,
-- change log, feed, epoch.
-- ARGV: the id of the replacement, how many chunks are staged, how many internal keys, the mark of the replacement in
-- the held ranges, the id of the server's process or nothing.
-- Returns { 0, commit number }, { 1 } if the staged content is gone, { 2, mark, field } of an intent that holds a key.
local call = redis.call
local replacement, held, ranges, staging, stager, chunks, names, replaced, seq, log, feed, epoch = unpack(KEYS)
local id, mark = ARGV[1], ARGV[4]
local begun = string.match(call('GET', replacement) or '', '^1 ' .. id .. ' %a (%d+) ')
if begun then return { 0, tonumber(begun) } end
local over = string.match(call('GET', replaced) or '', '^' .. id .. ' (%d+) ')
if over then return { 0, tonumber(over) - 1 } end
if
  call('GET', staging) ~= id
  or call('LLEN', chunks) ~= ARGV[2] + 1
  or call('ZCARD', names) ~= tonumber(ARGV[3])
then
  return { 1 }
end
local field = call('HRANDFIELD', held)
if field then return { 2, call('HGET', held, field), field } end
field = call('HRANDFIELD', ranges)
if field then return { 2, call('HGET', ranges, field), '' } end
-- What may fail comes first: nothing behind the first held range does.
begin_epoch(seq, epoch, log, feed, ARGV[5])
local commit = call('INCRBY', seq, 1)
for _, stream in ipairs({ log, feed }) do
  if call('EXISTS', stream) == 1 then call('XADD', stream, digits(commit) .. '-1', 'e', '') end
end
call('HSET', ranges, mark .. '1', mark .. 'u1:-+', mark .. '2', mark .. 'i1:-+')
call('SET', replacement, '1 ' .. id .. ' d ' .. digits(commit) .. ' ' .. ARGV[2])
call('UNLINK', staging, stager)
-- The first element is no chunk.
call('LPOP', chunks)
return { 0, commit }
