-- Carries out a batch whose conditions, counters, metadata or times need to know what keys hold.
-- Nothing is written before everything is known to succeed: a script is not rolled back.
--
-- KEYS: commit counter, companions, names, values, then the user keys in the order the rows need them.
-- ARGV: length of the key prefix, time in ms, '1' to keep times, then rows: a letter and its arguments.
-- Returns { commit number, outcome ... }, { 0, row of a failed check } or { -1, row of a failed addition }.
local seq, companions, names, values = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local cut, now, stamped = tonumber(ARGV[1]) + 1, ARGV[2], ARGV[3] == '1'
local next_arg, next_key = 4, 5
local call, pcall = redis.call, redis.pcall
local has_companions = call('EXISTS', companions) == 1

local function arg() next_arg = next_arg + 1 return ARGV[next_arg - 1] end
local function key() next_key = next_key + 1 return KEYS[next_key - 1] end

local function digest(text, expiry)
  if expiry ~= '' then text = text .. '\0' .. expiry end
  return '8' .. string.sub(redis.sha1hex(text), 1, 31)
end

-- What the keys hold as the batch sees them.
local user, internal = {}, {}

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

-- created, metadata of the record, where its companion fits.
local function user_companion(k, state)
  if state.companion == nil then
    state.companion = has_companions and state.text and call('HGET', companions, string.sub(k, cut)) or ''
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
    state.expiry, state.metadata = expiry, string.sub(stored, from, from + length - 1)
    state.text = kind == 'j' and string.sub(stored, from + length) or ''
  end
  return state
end

local function internal_state(k)
  if not internal[k] then internal[k] = parse_internal(call('HGET', values, k)) end
  return internal[k]
end

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
    if #digits > 1 then digits = string.sub(digits, 1, 1) .. '.' .. string.sub(digits, 2) end
    return sign .. digits .. 'e' .. (point > 0 and '+' or '') .. string.format('%d', point - 1)
  elseif point <= 0 then
    return sign .. '0.' .. string.rep('0', -point) .. digits
  elseif point >= #digits then
    return sign .. digits .. string.rep('0', point - #digits)
  end
  return sign .. string.sub(digits, 1, point) .. '.' .. string.sub(digits, point + 1)
end

local writes = {}
local function write(...) writes[#writes + 1] = { ... } end

local function clear_user(k)
  user[k] = { companion = '' }
  write('UNLINK', k)
  if has_companions then write('HDEL', companions, string.sub(k, cut)) end
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
    write('HSET', companions, string.sub(k, cut), state.companion)
  elseif has_companions then
    write('HDEL', companions, string.sub(k, cut))
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

local result, row, changed = { 0 }, 0, false
while next_arg <= #ARGV do
  local what = arg()
  row = row + 1
  if what == 'check' then
    local state, wanted = user_state(key()), arg()
    if state.foreign or (state.text and digest(state.text, state.expiry) or '') ~= wanted then return { 0, row } end
  elseif what == 'check internal' then
    local state, wanted = internal_state(arg()), arg()
    if (state.stored and digest(state.stored, '') or '') ~= wanted then return { 0, row } end
  elseif what == 'check range' then
    if tonumber(call('GET', seq) or '0') ~= tonumber(arg()) then return { 0, row } end
  else
    changed = true
    if what == 'set' then
      local k = key()
      set_user(k, user_state(k), arg(), arg(), arg())
    elseif what == 'set internal' then
      local k, stored = arg(), arg()
      set_internal(k, stored)
    elseif what == 'delete' then
      local k = key()
      local state = user_state(k)
      result[#result + 1] = (state.text or state.foreign) and 1 or 0
      clear_user(k)
    elseif what == 'delete internal' then
      local k = arg()
      result[#result + 1] = internal_state(k).stored and 1 or 0
      clear_internal(k)
    elseif what == 'add' then
      local k = key()
      local state, by, expiry, metadata = user_state(k), number(arg()), arg(), arg()
      local old = state.text and number(state.text)
      if state.foreign or (state.text and not old) then return { -1, row } end
      if expiry == '' and state.text then expiry = state.expiry end
      if metadata == '' then
        local _, kept = user_companion(k, state)
        if kept and kept ~= '-' then metadata = kept end
      end
      local text = number_text(state.text and old + by or by)
      result[#result + 1] = text
      result[#result + 1] = expiry
      set_user(k, state, text, expiry, metadata)
    elseif what == 'add internal' then
      local k = arg()
      local state, by, expiry, metadata = internal_state(k), number(arg()), arg(), arg()
      local old = state.text and number(state.text)
      if state.stored and not old then return { -1, row } end
      if expiry == '' and old then expiry = state.expiry end
      if metadata == '' and old then metadata = state.metadata end
      local text = number_text(old and old + by or by)
      local stored = text
      if expiry ~= '' or metadata ~= '' then
        stored = '\1j' .. expiry .. ' ' .. #metadata .. ' ' .. metadata .. text
      end
      result[#result + 1] = text
      result[#result + 1] = digest(stored, '')
      set_internal(k, stored)
    elseif what == 'clear internal' then
      local low, high, written = arg(), arg(), tonumber(arg())
      for _, k in ipairs(call('ZRANGE', names, low, high, 'BYLEX')) do clear_internal(k) end
      -- What this very batch wrote into the range before.
      for _ = 1, written do clear_internal(arg()) end
    end
  end
end

for _, command in ipairs(writes) do call(unpack(command)) end
result[1] = changed and call('INCR', seq) or tonumber(call('GET', seq) or '0')
return result
