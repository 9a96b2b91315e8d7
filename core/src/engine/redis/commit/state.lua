-- Carries out batches in order, each of them atomic. The server does not roll back a script, so nothing of a batch is
-- written before everything in it is known to succeed. Every write of our clients goes through this script.
--
-- KEYS: commit counter, companions, names, values, held keys, held ranges, change log, feed, client, epoch, then the
-- user keys in the order of the rows.
--
-- ARGV:
-- 1  the length of the key prefix
-- 2  the time in ms
-- 3  letters: b only blind rows (s x d D i r), s keep times, p packed, f only deletions
-- 4  the number of this call
-- 5  the field of its reply in the hash of the client
-- 6  the number of batches (one, but for blind rows)
-- 7  how many rows each batch has, separated by commas; empty: one each
-- 8  the intent to resolve, or nothing
-- 9  the number of the call ahead, if the client does not know yet whether it was carried out, or nothing
-- 10 the id of the server's process, or nothing
-- from 11 on: rows, each a letter and its arguments
--
-- Letters of rows, where small letters are for user keys and capitals for internal keys, unless stated otherwise:
-- c C  check: key, version
-- R    check of ranges: the commit since which nobody may have committed
-- h H  a key that an intent holds: key, mark, 'a' if the intent increments it
-- Q    a range that an intent holds: keyspace, ends, mark
-- G    a range of user keys of which the batch deletes every key: keyspace, ends
-- s    set: key, text
-- x    set with an expiry: key, text, expiry
-- m    set with metadata: key, text, expiry, metadata
-- i    set of an internal key: key, stored text
-- a A  addition: key, number, expiry, metadata
-- d D  delete of a user key; D reports whether the key was there
-- r    delete of an internal key
-- L    delete of a range of internal keys: ends, then how many keys this batch wrote into the range, and these keys
--
-- Returns { 1, last commit number, outcome ... } for blind rows, else { 0, batch ... }, where a batch is
-- { commit number, outcome ... }, { 0, row of a failed check }, { -1, row of an addition to another type },
-- { -2, row of a held key, mark of its holder }, or { -3, row of an addition beyond 2^53 }. The rows D, r, L, a, A
-- and m have outcomes, and with the letter s every set of a user key.
-- Returns { 3 } without doing anything if the call ahead is not known to be carried out: the server had forgotten the
-- script then, or could not keep the reply.
-- Returns { 4, word } if the server refused a command in the middle, with the first word of its refusal.
local KEYS, ARGV = KEYS, ARGV
local seq, companions, names, values, held, ranges, log, feed, client, epoch = unpack(KEYS, 1, 10)
local call, attempt, guard, sub = redis.call, redis.pcall, pcall, string.sub
local cut, now, modes, next_arg, next_key = tonumber(ARGV[1]) + 1, ARGV[2], ARGV[3], 11, 11

if ARGV[9] ~= '' then
  local kept = call('HGET', client, ARGV[9] % 1024)
  if not kept or string.match(kept, '^%d+') ~= ARGV[9] then return { 3 } end
end

-- Packed: the arguments of a command that would have too many are unpacked, first the keys, then the rows.
if string.find(modes, 'p', 1, true) then
  local keys, rows = { unpack(KEYS, 1, 10) }, { unpack(ARGV, 1, 10) }
  local into = keys
  for i = 11, #ARGV do
    if ARGV[i] == '' then
      into = rows
    else
      for _, part in ipairs(cmsgpack.unpack(ARGV[i])) do into[#into + 1] = part end
    end
  end
  KEYS, ARGV = keys, rows
end

-- Keeps a reply: a client asks for it when its connection was lost before the reply came, and the next call may name
-- this one as the call ahead.
local function remember(text, call)
  local new = call('HSET', client, ARGV[5], ARGV[4] .. ' ' .. text)
  -- The replies for a client that is gone are deleted after a day.
  if new == 1 or ARGV[4] % 16 == 0 then call('PEXPIRE', client, 86400000) end
end

-- The server does not take back what it has written if it refuses a later command. Only a commit number does no harm.
local written = false
local function put(...)
  local result = call(...)
  written = true
  return result
end

-- Takes the next commit numbers. What may be refused comes first. A full server refuses the first write of a script
-- alone, and not if that is one like this: it carries out deletions.
local function take_numbers(count)
  if string.find(modes, 'f', 1, true) then call('PERSIST', seq) end
  begin_epoch(seq, epoch, log, feed, ARGV[10])
  return call('INCRBY', seq, count)
end

local has_companions, special = call('EXISTS', companions, held, ranges, log, feed) > 0, false
if has_companions then
  has_companions, special = call('EXISTS', companions) == 1, call('EXISTS', held, ranges, log, feed) > 0
end

local function blind()
  local run, other, size, kind, touched, reply, total = {}, {}, 0, 's', {}, { 1, 0 }, #ARGV
  local function flush(what)
    if size > 0 then
      if kind == 's' then
        put('MSET', unpack(run, 1, size))
      elseif kind == 'd' then
        put('UNLINK', unpack(run, 1, size))
      elseif kind == 'i' then
        put('ZADD', names, unpack(other, 1, size))
        put('HSET', values, unpack(run, 1, size))
      elseif kind == 'r' then
        put('ZREM', names, unpack(run, 1, size))
        put('HDEL', values, unpack(run, 1, size))
      end
    end
    kind, size = what, 0
  end
  reply[2] = take_numbers(ARGV[6])
  while next_arg <= total do
    local what = ARGV[next_arg]
    if what ~= kind or size >= 4000 then flush(what) end
    if what == 'i' then
      local k = ARGV[next_arg + 1]
      run[size + 1], run[size + 2], other[size + 1], other[size + 2] = k, ARGV[next_arg + 2], 0, k
      size, next_arg = size + 2, next_arg + 3
    elseif what == 'r' then
      run[size + 1] = ARGV[next_arg + 1]
      size, next_arg = size + 1, next_arg + 2
    else
      local k = KEYS[next_key]
      next_key = next_key + 1
      if has_companions then touched[#touched + 1] = sub(k, cut) end
      if what == 's' then
        run[size + 1], run[size + 2] = k, ARGV[next_arg + 1]
        size, next_arg = size + 2, next_arg + 2
      elseif what == 'd' then
        run[size + 1] = k
        size, next_arg = size + 1, next_arg + 1
      elseif what == 'D' then
        reply[#reply + 1] = put('UNLINK', k)
        next_arg = next_arg + 1
      else
        put('SET', k, ARGV[next_arg + 1], 'PXAT', ARGV[next_arg + 2])
        next_arg = next_arg + 3
      end
    end
  end
  flush('')
  for from = 1, #touched, 4000 do
    put('HDEL', companions, unpack(touched, from, math.min(from + 3999, #touched)))
  end
  local last = reply[2]
  reply[2] = digits(last)
  remember('[' .. table.concat(reply, ',') .. ']', call)
  reply[2] = last
  return reply
end

local is_held = special and call('EXISTS', held, ranges) > 0
local is_logged, is_fed = special and call('EXISTS', log) == 1, special and call('EXISTS', feed) == 1
local stamped, alone = string.find(modes, 's', 1, true), ARGV[6] == '1'

local function arg() next_arg = next_arg + 1 return ARGV[next_arg - 1] end
local function key() next_key = next_key + 1 return KEYS[next_key - 1] end

local function digest(text, expiry)
  if expiry ~= '' then text = text .. '\0' .. expiry end
  return '8' .. sub(redis.sha1hex(text), 1, 31)
end

-- Keys as the batch sees them, the commands that it will write, and the user keys that it touches, in order.
local user, internal, writes, touched
local function write(...) writes[#writes + 1] = { ... } end

local function user_state(k)
  local state = user[k]
  if state then return state end
  state = {}
  local text = attempt('GET', k)
  if type(text) == 'table' then
    state.foreign = true
  elseif text then
    local expiry = call('PEXPIRETIME', k)
    state.text, state.expiry = text, expiry >= 0 and string.format('%.0f', expiry) or ''
  end
  user[k] = state
  return state
end

-- The times and the metadata of a record whose companion belongs to its value, as the companion has them; else nil.
local function user_companion(k, state)
  if not state.text then return nil end
  if state.companion == nil then
    state.companion = has_companions and call('HGET', companions, sub(k, cut)) or ''
  end
  if state.companion == '' then return nil end
  if sub(state.companion, 1, 33) ~= digest(state.text, state.expiry) .. ' ' then return nil end
  return sub(state.companion, 34)
end

local function user_version(k, state)
  if not state.text then return '' end
  local companion = user_companion(k, state)
  return digest(state.text, companion and state.expiry .. '\0' .. companion or state.expiry)
end

local function parse_internal(stored)
  if not stored then return {} end
  local state = { stored = stored }
  if string.byte(stored) ~= 1 then
    state.text, state.expiry, state.metadata = stored, '', ''
    return state
  end
  local kind, expiry, length, from = string.match(stored, '^\1(%a)(%d*) (%d+) ()')
  if kind then
    if expiry ~= '' and tonumber(expiry) <= tonumber(now) then return {} end
    length = tonumber(length)
    state.expiry, state.metadata = expiry, sub(stored, from, from + length - 1)
    state.text = kind == 'j' and sub(stored, from + length) or ''
  end
  return state
end

local function internal_state(k)
  if not internal[k] then internal[k] = parse_internal(call('HGET', values, k)) end
  return internal[k]
end

local function internal_version(state) return state.stored and digest(state.stored, '') or '' end

local specials = { NaN = 0 / 0, Infinity = 1 / 0, ['-Infinity'] = -1 / 0, ['-0'] = -1 / (1 / 0) }

local function number(text)
  if string.match(text, '^%s*%-?%d[%d%.eE+-]*%s*$') then return tonumber(text) end
  local name = string.match(text, '^%s*{%s*"$number"%s*:%s*"([%-%a0]+)"%s*}%s*$')
  return name and specials[name]
end

-- The text JavaScript prints for a number: the shortest digits that read back as it.
local function number_text(x)
  if x ~= x then return '{"$number":"NaN"}' end
  if x == 1 / 0 then return '{"$number":"Infinity"}' end
  if x == -1 / 0 then return '{"$number":"-Infinity"}' end
  if x == 0 then return 1 / x < 0 and '{"$number":"-0"}' or '0' end
  if x % 1 == 0 and math.abs(x) < 9007199254740992 then return string.format('%.0f', x) end
  local text
  -- Numbers near zero have fewer digits than 15.
  for digits = math.abs(x) < 2.3e-308 and 0 or 14, 16 do
    text = string.format('%.' .. digits .. 'e', x)
    if tonumber(text) == x then break end
  end
  local sign, first, rest, exponent = string.match(text, '^(%-?)(%d)%.?(%d*)e([+-]%d+)$')
  local digits, point = string.gsub(first .. rest, '0+$', ''), tonumber(exponent) + 1
  if point > 21 or point < -5 then
    if #digits > 1 then digits = sub(digits, 1, 1) .. '.' .. sub(digits, 2) end
    return sign .. digits .. 'e' .. (point > 0 and '+' or '') .. string.format('%d', point - 1)
  elseif point <= 0 then
    return sign .. '0.' .. string.rep('0', -point) .. digits
  elseif point >= #digits then
    return sign .. digits .. string.rep('0', point - #digits)
  end
  return sign .. sub(digits, 1, point) .. '.' .. sub(digits, point + 1)
end

-- Whether both are whole numbers whose sum is beyond 2^53. A sum just beyond it is rounded to it.
local function is_beyond(a, b)
  local s, max = a + b, 9007199254740992
  if a % 1 ~= 0 or b % 1 ~= 0 then return false end
  return s > max or s < -max or ((s == max or s == -max) and (s - a ~= b or s - b ~= a))
end

-- Adds to the number that a key holds. Returns the text to write, its expiry and its metadata.
local function sum(old, expiry, metadata, text, by)
  old = old and number(old)
  if text.expiry == '' then text.expiry = old and expiry or '' end
  if text.metadata == '' then text.metadata = old and metadata or '' end
  return number_text(old and old + by or by), text.expiry, text.metadata
end

local function clear_user(k)
  user[k] = { companion = '' }
  write('UNLINK', k)
  if has_companions then write('HDEL', companions, sub(k, cut)) end
end

local function set_user(k, state, text, expiry, metadata)
  -- A record that has expired already is absent, for the rest of the batch too.
  if expiry ~= '' and tonumber(expiry) <= tonumber(now) then return clear_user(k) end
  if stamped or metadata ~= '' then
    local created = string.match(user_companion(k, state) or '', '^%d+') or now
    if metadata == '' then metadata = '-' end
    state.companion = table.concat({ digest(text, expiry), created, now, metadata }, ' ')
  else
    state.companion = ''
  end
  state.text, state.expiry, state.foreign = text, expiry, nil
  if expiry ~= '' then write('SET', k, text, 'PXAT', expiry) else write('SET', k, text) end
  if state.companion ~= '' then
    write('HSET', companions, sub(k, cut), state.companion)
  elseif has_companions then
    write('HDEL', companions, sub(k, cut))
  end
end

local function set_internal(k, stored)
  internal[k] = parse_internal(stored)
  write('ZADD', names, 0, k)
  write('HSET', values, k, stored)
end

local function clear_internal(k)
  internal[k] = {}
  write('ZREM', names, k)
  write('HDEL', values, k)
end
