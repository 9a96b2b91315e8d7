-- Has a stream take down every commit from now on, for a time or for good.
-- KEYS: commit counter, stream. ARGV: how long in ms, empty for good. Returns the latest commit's number, the first entry's id and
-- its field: 'o' says that the stream is complete behind the commit of that id.
local seq = redis.call('GET', KEYS[1]) or '0'
if redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('XADD', KEYS[2], seq == '0' and '0-1' or seq .. '-0', 'o', '')
elseif ARGV[1] ~= '' and redis.call('PTTL', KEYS[2]) < 0 then
  ARGV[1] = ''
end
if ARGV[1] == '' then redis.call('PERSIST', KEYS[2]) else redis.call('PEXPIRE', KEYS[2], ARGV[1]) end
local first = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
return { seq, first[1], first[2][1] }
