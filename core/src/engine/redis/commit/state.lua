-- Carries out batches, one after the other, each whole or not at all. Nothing of a batch is written before everything
-- in it is known to succeed: a script is not rolled back. All of ours goes through here, so what it refuses is never written.
--
-- KEYS: commit counter, companions, names, values, held keys, held ranges, log, feed, client, then the user keys in the order of the rows.
-- ARGV: length of the key prefix; time in ms; letters: b only blind rows (s x d D i r), s keep times, p packed; number of
-- this call, and its slot at the client's; how many batches (one but for blind rows), how many rows each has (separated by commas;
-- nothing: one each); the intent to resolve; then rows: a letter and its arguments.
-- Returns { 1, last commit number, outcome ... } for blind rows, or { 0, batch ... }, each { commit number, outcome ... },
-- { 0, row of a failed check }, { -1, row of a failed addition } or { -2, row of a held key, who holds it }.
local KEYS, ARGV = KEYS, ARGV
local seq, companions, names, values, held, ranges, log, feed, client = unpack(KEYS, 1, 9)
local call, pcall, sub = redis.call, redis.pcall, string.sub
local cut, now, modes, next_arg, next_key = tonumber(ARGV[1]) + 1, ARGV[2], ARGV[3], 9, 10

-- More parts than a command may have come as a few arguments: first the keys, then the rows.
if string.find(modes, 'p', 1, true) then
  local keys, rows = { unpack(KEYS, 1, 9) }, { unpack(ARGV, 1, 8) }
  local into = keys
  for i = 9, #ARGV do
    if ARGV[i] == '' then
      into = rows
    else
      for _, part in ipairs(cmsgpack.unpack(ARGV[i])) do into[#into + 1] = part end
    end
  end
  KEYS, ARGV = keys, rows
end

-- What a client asks for whose connection is lost before it has the reply.
local function remember(text)
  local new = call('HSET', client, ARGV[5], ARGV[4] .. ' ' .. text)
  -- A client that has gone is forgotten after a day.
  if new == 1 or ARGV[4] % 16 == 0 then call('PEXPIRE', client, 86400000) end
end

local has_companions, special = call('EXISTS', companions, held, ranges, log, feed) > 0, false
if has_companions then
  has_companions, special = call('EXISTS', companions) == 1, call('EXISTS', held, ranges, log, feed) > 0
end

if not special and sub(modes, 1, 1) == 'b' then
  local run, other, size, kind, touched, reply, total = {}, {}, 0, 's', {}, { 1, 0 }, #ARGV
  local function flush(what)
    if size > 0 then
      if kind == 's' then
        call('MSET', unpack(run, 1, size))
      elseif kind == 'd' then
        call('UNLINK', unpack(run, 1, size))
      elseif kind == 'i' then
        call('ZADD', names, unpack(other, 1, size))
        call('HSET', values, unpack(run, 1, size))
      elseif kind == 'r' then
        call('ZREM', names, unpack(run, 1, size))
        call('HDEL', values, unpack(run, 1, size))
      end
    end
    kind, size = what, 0
  end
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
        reply[#reply + 1] = call('UNLINK', k)
        next_arg = next_arg + 1
      else
        call('SET', k, ARGV[next_arg + 1], 'PXAT', ARGV[next_arg + 2])
        next_arg = next_arg + 3
      end
    end
  end
  flush('')
  for from = 1, #touched, 4000 do
    call('HDEL', companions, unpack(touched, from, math.min(from + 3999, #touched)))
  end
  reply[2] = call('INCRBY', seq, ARGV[6])
  remember('[' .. table.concat(reply, ',') .. ']')
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

-- What the keys hold as the batch sees them, what it is to write, and the user keys that it touches, in order.
local user, internal, writes, touched
local function write(...) writes[#writes + 1] = { ... } end

local function user_state(k)
  local state = user[k]
  if state then return state end
  state = {}
  local text = pcall('GET', k)
  if type(text) == 'table' then
    state.foreign = true
  elseif text then
    local expiry = call('PEXPIRETIME', k)
    state.text, state.expiry = text, expiry >= 0 and string.format('%.0f', expiry) or ''
  end
  user[k] = state
  return state
end

local function user_version(state) return state.text and digest(state.text, state.expiry) or '' end

-- created, metadata of the record, where its companion fits.
local function user_companion(k, state)
  if state.companion == nil then
    state.companion = has_companions and state.text and call('HGET', companions, sub(k, cut)) or ''
  end
  if state.companion == '' or not state.text then return nil end
  local fits, created, _, metadata = string.match(state.companion, '^(%S+) (%S+) (%S+) (.*)$')
  if fits ~= digest(state.text, state.expiry) then return nil end
  return created, metadata
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

-- Adds to what a key holds: the text to write, its expiry and metadata; nothing if that is no number.
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
  -- Expired as it is written: absent for what follows in the batch, too.
  if expiry ~= '' and tonumber(expiry) <= tonumber(now) then return clear_user(k) end
  local created
  if stamped or metadata ~= '' then
    if state.text then created = user_companion(k, state) end
    if not created or created == '-' then created = now end
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
