-- Opens a stream: from now on, every commit is written into it, for a time or for good.
-- KEYS: commit counter, stream. ARGV: the time in ms, empty for good.
-- Returns the number of the latest commit, the id of the first entry, the field and the text of that entry, and the
-- time of day in microseconds.
-- The field 'o' means that the stream is complete behind the commit of that id.
local seq = redis.call('GET', KEYS[1]) or '0'
if redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('XADD', KEYS[2], seq == '0' and '0-1' or seq .. '-0', 'o', '')
elseif ARGV[1] ~= '' and redis.call('PTTL', KEYS[2]) < 0 then
  ARGV[1] = ''
end
if ARGV[1] == '' then redis.call('PERSIST', KEYS[2]) else redis.call('PEXPIRE', KEYS[2], ARGV[1]) end
local first = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
local time = redis.call('TIME')
return { seq, first[1], first[2][1], first[2][2], time[1] .. string.format('%06d', time[2]) }
