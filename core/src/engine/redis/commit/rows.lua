-- Reads at most `most` rows as one batch. Returns why the batch fails, and whether it writes.
local function rows(result, most)
  local row, changed, failure = 0, false, nil
  -- A row that fails ends the batch. The rows behind it are still read, to find the next batch.
  local function fail(code, more) if not failure then failure = { code, row, more } end end
  while next_arg <= #ARGV and row < most do
    if failure and alone then break end
    local what = arg()
    row = row + 1
    if what == 'c' then
      local k, wanted = key(), arg()
      local state = user_state(k)
      if state.foreign or user_version(k, state) ~= wanted then fail(0) end
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
        field, version, text = 'u' .. sub(k, cut), user_version(k, state), state.foreign and '' or state.text
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
      -- Rows of their own delete the keys of this range.
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
        -- Keys that the engine keeps for itself are deleted only if the range starts among them.
        if string.byte(k) ~= 0 or string.byte(low, 2) == 0 then clear_internal(k) end
      end
      -- Keys that this batch wrote into the range before.
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
      elseif is_beyond(state.text and number(state.text) or 0, by) then
        fail(-3)
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
      local skips = found and overtaken('u' .. sub(k, cut), state.at_first or user_version(k, state))
      touch(k, state)
      if found and not state.at_first then state.at_first = user_version(k, state) end
      if holds then
        fail(-2, holds)
      elseif what == 'd' or what == 'D' then
        if what == 'D' then result[#result + 1] = (state.text or state.foreign) and 1 or 0 end
        if not skips then clear_user(k) end
      elseif what == 'a' then
        if state.foreign or (state.text and not number(state.text)) then
          fail(-1)
        elseif is_beyond(state.text and number(state.text) or 0, by) then
          fail(-3)
        else
          local kept = string.match(user_companion(k, state) or '', '^%S+ %S+ (.*)$')
          if kept == '-' then kept = nil end
          text, expiry, metadata =
            sum(state.text, state.expiry, kept or '', { expiry = expiry, metadata = metadata }, by)
          result[#result + 1] = text
          if not skips then set_user(k, state, text, expiry, metadata) end
          result[#result + 1] = skips and digest(text, expiry) or user_version(k, state)
        end
      else
        if not skips then set_user(k, state, text, expiry, metadata) end
        if stamped or what == 'm' then result[#result + 1] = skips and digest(text, expiry) or user_version(k, state) end
      end
    end
  end
  return failure, changed
end

-- Carries out batches that may hold any row.
local function any()
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
      if changed then
        result[1], done = take_numbers(1), true
        if is_logged or is_fed then publish(result[1]) end
      else
        result[1] = tonumber(call('GET', seq) or '0')
      end
      -- As a text, because the encoder of the kept reply knows 14 digits.
      result[1] = digits(result[1])
      for _, command in ipairs(writes) do put(unpack(command)) end
      if found then
        for field in pairs(found) do put('HDEL', held, field) end
        for _, field in ipairs(call('HKEYS', ranges)) do
          if sub(field, 1, 33) == resolved then put('HDEL', ranges, field) end
        end
      end
      if changed then has_companions = has_companions or call('EXISTS', companions) == 1 end
      reply[#reply + 1] = result
    end
  end
  local text = cjson.encode(reply)
  -- A call that wrote nothing is answered on a server that refuses writes, too.
  remember(#text <= 16384 and text or '[2]', done and call or attempt)
  return reply
end

local ok, reply = guard(not special and sub(modes, 1, 1) == 'b' and blind or any)
if ok then return reply end
local refusal = type(reply) == 'table' and reply.err or 'ERR ' .. tostring(reply)
if not written then return redis.error_reply(refusal) end
guard(remember, '[4]', call)
return { 4, string.match(refusal, '^%S*') }
