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

-- The intent that the batch carries out or drops, and the fields it holds.
local resolved, found

-- By bytes: the server's own order of texts may be that of a language.
local function precedes(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

-- True if nothing can lie at or above a lower end and at or below an upper one, both as ZRANGE BYLEX has them.
local function apart(low, high)
  if low == '-' or high == '+' then return false end
  local from, to = sub(low, 2), sub(high, 2)
  if from == to then return sub(low, 1, 1) ~= '[' or sub(high, 1, 1) ~= '[' end
  return precedes(to, from)
end

-- Who holds ranges, one each: the keyspace's letter, the ends, the intent's mark.
local all_ranges
local function each_range(space, test)
  if not all_ranges then
    all_ranges = {}
    local stored = call('HVALS', ranges)
    for i = 1, #stored do
      local letter, length, rest = string.match(stored[i], '^(.)(%d+):(.*)$', 49)
      all_ranges[i] = { letter, sub(rest, 1, tonumber(length)), sub(rest, tonumber(length) + 1), sub(stored[i], 1, 48) }
    end
  end
  for _, range in ipairs(all_ranges) do
    if range[1] == space and sub(range[4], 1, 33) ~= resolved and test(range[2], range[3]) then return range[4] end
  end
end

-- The mark of another intent that holds the key of a field: a keyspace's letter and the key.
local function holder(field)
  local by = call('HGET', held, field)
  if by and sub(by, 1, 33) ~= resolved then return by end
  local at = '[' .. sub(field, 2)
  return each_range(sub(field, 1, 1), function(low, high) return not apart(low, at) and not apart(at, high) end)
end

-- The mark of another intent that holds a key of a range, or a range that meets it.
local function range_holder(space, from, to)
  if not is_held then return nil end
  local by = each_range(space, function(low, high) return not apart(low, to) and not apart(from, high) end)
  if by then return by end
  for _, field in ipairs(call('HKEYS', held)) do
    local at = '[' .. sub(field, 2)
    if sub(field, 1, 1) == space and not apart(from, at) and not apart(at, to) then
      by = call('HGET', held, field)
      if sub(by, 1, 33) ~= resolved then return by end
    end
  end
end

-- True if somebody else's client has changed a key that this intent holds: its value is the newer one.
local function overtaken(field, version)
  local by = found and found[field]
  return by and version ~= '' and version ~= sub(by, 49)
end

-- Whether a row may write: nil, or why not. A key is asked for once a batch.
local asked
local function refusal(field)
  if not is_held or asked[field] then return nil end
  asked[field] = true
  return holder(field)
end

-- A commit in a stream: in parts that are numbered from one; the last one says so.
local function append(stream, most, commit, pieces)
  local from, part = 1, 1
  repeat
    local to = math.min(from + 999, #pieces)
    local letter = to == #pieces and 'e' or 'm'
    call('XADD', stream, 'MAXLEN', '~', most, commit .. '-' .. part, letter, table.concat(pieces, '', from, to))
    from, part = to + 1, part + 1
  until from > #pieces
end

-- The user keys that the batch touches: whether each was there, and when it was touched last. The ranges that it deletes.
local seen, touches, cleared
local function touch(k, state)
  if not is_logged and not is_fed then return end
  touches = touches + 1
  if not seen[k] then
    touched[#touched + 1] = k
    seen[k] = { (state.text or state.foreign) and true or false }
  end
  seen[k][2] = touches
end

local function publish(commit)
  table.sort(touched, function(a, b) return seen[a][2] < seen[b][2] end)
  local plain, full, room = {}, {}, 65536
  local function add(piece, with_value)
    plain[#plain + 1] = piece
    full[#full + 1] = with_value or piece
  end
  local gone = {}
  for _, range in ipairs(cleared) do
    local any = false
    for _, k in ipairs(touched) do
      local at = '[' .. sub(k, cut)
      if seen[k][1] and not apart(range[1], at) and not apart(at, range[2]) then any, gone[k] = true, true end
    end
    if any then add('c' .. #range[1] .. ':' .. range[1] .. #range[2] .. ':' .. range[2]) end
  end
  for _, k in ipairs(touched) do
    local state, name = user[k], sub(k, cut)
    name = #name .. ':' .. name
    if state.text then
      local version, size = digest(state.text, state.expiry), #state.text
      if size <= 4096 and size <= room then
        room = room - size
        add('s' .. version .. name, 'v' .. version .. name .. size .. ':' .. state.text)
      else
        add('s' .. version .. name)
      end
    elseif seen[k][1] and not gone[k] then
      add('d' .. name)
    end
  end
  if is_logged then append(log, 65536, commit, plain) end
  if is_fed then append(feed, 1024, commit, full) end
end

-- Reads the next rows, at most so many, as one batch: why it fails, and whether it writes.
local function rows(result, most)
  local row, changed, failure = 0, false, nil
  -- A row that fails ends the batch; those behind it are read to find the next one.
  local function fail(code, more) if not failure then failure = { code, row, more } end end
  while next_arg <= #ARGV and row < most do
    if failure and alone then break end
    local what = arg()
    row = row + 1
    if what == 'c' then
      local state, wanted = user_state(key()), arg()
      if state.foreign or user_version(state) ~= wanted then fail(0) end
    elseif what == 'C' then
      local state, wanted = internal_state(arg()), arg()
      if internal_version(state) ~= wanted then fail(0) end
    elseif what == 'R' then
      if tonumber(call('GET', seq) or '0') ~= tonumber(arg()) then fail(0) end
    elseif what == 'h' or what == 'H' then
      local field, version, text, mark, kind
      if what == 'h' then
        local k = key()
        local state = user_state(k)
        field, version, text = 'u' .. sub(k, cut), user_version(state), state.foreign and '' or state.text
      else
        local k = arg()
        local state = internal_state(k)
        field, version, text = 'i' .. k, internal_version(state), state.stored and (state.text or '')
      end
      mark, kind = arg(), arg()
      local by = refusal(field)
      if by then fail(-2, by) elseif kind == 'a' and text and not number(text) then fail(-1) end
      write('HSET', held, field, mark .. (version == '' and '-' or version))
    elseif what == 'G' then
      -- A range of which the keys that are there are deleted by rows of their own.
      local space, low, high = arg(), arg(), arg()
      cleared[#cleared + 1] = { low, high }
      local by = range_holder(space, low, high)
      if by then fail(-2, by) end
    elseif what == 'Q' then
      local space, low, high, mark = arg(), arg(), arg(), arg()
      local by = range_holder(space, low, high)
      if by then fail(-2, by) end
      write('HSET', ranges, mark .. row, mark .. space .. #low .. ':' .. low .. high)
    elseif what == 'L' then
      local low, high, written = arg(), arg(), tonumber(arg())
      changed = true
      local by = range_holder('i', low, high)
      if by then fail(-2, by) end
      for _, k in ipairs(call('ZRANGE', names, low, high, 'BYLEX')) do
        -- What an engine keeps for itself ends by its own hand alone.
        if string.byte(k) ~= 0 or string.byte(low, 2) == 0 then clear_internal(k) end
      end
      -- What this very batch wrote into the range before.
      for _ = 1, written do clear_internal(arg()) end
    elseif what == 'i' or what == 'r' or what == 'A' then
      local k, stored, by, expiry, metadata = arg(), nil, nil, nil, nil
      if what == 'i' then stored = arg() end
      if what == 'A' then by, expiry, metadata = number(arg()), arg(), arg() end
      changed = true
      local state = internal_state(k)
      local holds = refusal('i' .. k)
      if holds then
        fail(-2, holds)
      elseif what == 'i' then
        set_internal(k, stored)
      elseif what == 'r' then
        result[#result + 1] = state.stored and 1 or 0
        clear_internal(k)
      elseif state.stored and not (state.text and number(state.text)) then
        fail(-1)
      else
        local text
        text, expiry, metadata =
          sum(state.text, state.expiry, state.metadata, { expiry = expiry, metadata = metadata }, by)
        stored = text
        if expiry ~= '' or metadata ~= '' then
          stored = '\1j' .. expiry .. ' ' .. #metadata .. ' ' .. metadata .. text
        end
        result[#result + 1] = text
        result[#result + 1] = digest(stored, '')
        set_internal(k, stored)
      end
    else
      local k, text, expiry, metadata, by = key(), nil, '', '', nil
      if what == 's' or what == 'x' or what == 'm' then text = arg() end
      if what == 'a' then by = number(arg()) end
      if what == 'x' or what == 'm' or what == 'a' then expiry = arg() end
      if what == 'm' or what == 'a' then metadata = arg() end
      changed = true
      local state, holds = user_state(k), refusal('u' .. sub(k, cut))
      local skips = found and overtaken('u' .. sub(k, cut), state.at_first or user_version(state))
      touch(k, state)
      if found and not state.at_first then state.at_first = user_version(state) end
      if holds then
        fail(-2, holds)
      elseif what == 'd' or what == 'D' then
        if what == 'D' then result[#result + 1] = (state.text or state.foreign) and 1 or 0 end
        if not skips then clear_user(k) end
      elseif what == 'a' then
        if state.foreign or (state.text and not number(state.text)) then
          fail(-1)
        else
          local _, kept = user_companion(k, state)
          if kept == '-' then kept = nil end
          text, expiry, metadata =
            sum(state.text, state.expiry, kept or '', { expiry = expiry, metadata = metadata }, by)
          result[#result + 1] = text
          result[#result + 1] = expiry
          if not skips then set_user(k, state, text, expiry, metadata) end
        end
      elseif not skips then
        set_user(k, state, text, expiry, metadata)
      end
    end
  end
  return failure, changed
end

resolved = ARGV[8] ~= '' and ARGV[8] or nil
if resolved then
  found = {}
  if is_held then
    local all = call('HGETALL', held)
    for i = 1, #all, 2 do
      if sub(all[i + 1], 1, 33) == resolved then found[all[i]] = all[i + 1] end
    end
  end
end

local reply, done, sizes = { 0 }, false, string.gmatch(ARGV[7], '%d+')
for _ = 1, tonumber(ARGV[6]) do
  user, internal, writes, touched, seen, asked, touches, cleared = {}, {}, {}, {}, {}, {}, 0, {}
  local result = { 0 }
  local failure, changed = rows(result, alone and 1 / 0 or tonumber(sizes() or 1))
  if failure then
    reply[#reply + 1] = failure
  else
    for _, command in ipairs(writes) do call(unpack(command)) end
    if found then
      for field in pairs(found) do call('HDEL', held, field) end
      for _, field in ipairs(call('HKEYS', ranges)) do
        if sub(field, 1, 33) == resolved then call('HDEL', ranges, field) end
      end
    end
    if changed then
      result[1], done = call('INCR', seq), true
      if is_logged or is_fed then publish(result[1]) end
      has_companions = has_companions or call('EXISTS', companions) == 1
    else
      result[1] = tonumber(call('GET', seq) or '0')
    end
    reply[#reply + 1] = result
  end
end
if done then
  local text = cjson.encode(reply)
  remember(#text <= 16384 and text or '[2]')
end
return reply
