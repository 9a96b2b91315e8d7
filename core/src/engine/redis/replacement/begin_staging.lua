-- Begins to stage a new content. Removes what another client has left.
-- KEYS: replacement, held keys, held ranges, staging, stager, staged names, staged values, prefix of staged chunks.
-- ARGV: the id of the replacement, the ms for which a stager counts as alive.
-- Returns { 0 }, { 1 } if a replacement is under way, { 2, mark, field } of an intent that holds a key,
-- { 3 } if another client stages.
local call, replacement, held, ranges, staging, stager, names, values, chunks = redis.call, unpack(KEYS)
if call('EXISTS', replacement) == 1 then return { 1 } end
local field = call('HRANDFIELD', held)
if field then return { 2, call('HGET', held, field), field } end
field = call('HRANDFIELD', ranges)
if field then return { 2, call('HGET', ranges, field), '' } end
if call('EXISTS', stager) == 1 then return { 3 } end
call('UNLINK', names, values, chunks .. (call('GET', staging) or ''))
call('SET', staging, ARGV[1])
call('SET', stager, ARGV[1], 'PX', ARGV[2])
-- Chunks are appended to a list that is there, so none comes back once the list was removed.
call('RPUSH', chunks .. ARGV[1], '')
return { 0 }
