-- Removes a staged content.
-- KEYS: replacement, staging, stager, staged names, staged values, prefix of staged chunks.
-- ARGV: the id of the replacement; if empty, whatever a stager that is gone has left.
local call, replacement, staging, stager, names, values, chunks = redis.call, unpack(KEYS)
local id = call('GET', staging)
if not id or call('EXISTS', replacement) == 1 then return 0 end
if ARGV[1] ~= '' and id ~= ARGV[1] or ARGV[1] == '' and call('EXISTS', stager) == 1 then return 0 end
return call('UNLINK', staging, stager, names, values, chunks .. id)
