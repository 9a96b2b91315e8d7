-- Commit numbers. A number must not come again, also where the server has lost the latest commits: it was restarted
-- with an older file, it was a replica that lagged, or its content was deleted. Another process or content is known by
-- the epoch, a name that holds the id of the process. Its numbers begin at the time of day in microseconds, which is
-- ahead of every number that was ever taken, as no server makes a million commits a second for long.

-- Lua would print a large number with an exponent.
local function digits(number) return string.format('%.0f', number) end

-- Begins a new epoch unless this process has one. `run`: the id of the process, empty if it is unknown.
local function begin_epoch(seq, epoch, log, feed, run)
  local stored = redis.call('GET', epoch)
  if stored and (run == '' or string.match(stored, '^%S*') == run) then return end
  local time, old = redis.call('TIME'), redis.call('GET', seq) or '0'
  local new = digits(math.max(tonumber(old), tonumber(time[1]) * 1000000 + tonumber(time[2])))
  redis.call('SET', seq, new)
  redis.call('SET', epoch, run .. ' ' .. new .. ' ' .. old)
  if new == old then return end
  for _, stream in ipairs({ log, feed }) do
    -- The commits before the old number are there, and those between the two are not. If another program has changed
    -- the counter, the stream is of no more use.
    if
      redis.call('EXISTS', stream) == 1
      and type(redis.pcall('XADD', stream, new .. '-0', 'j', old)) == 'table'
    then
      redis.call('UNLINK', stream)
    end
  end
end

