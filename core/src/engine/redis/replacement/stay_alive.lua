-- Tells other clients that the stager is alive. KEYS: staging, stager. ARGV: the id of the replacement, ms.
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2]) end
return 0
