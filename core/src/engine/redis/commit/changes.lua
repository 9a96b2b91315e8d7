-- Writes a commit into a stream, in parts that are numbered from one. The letter of the last part is e, else m.
local function append(stream, most, commit, pieces)
  local from, part = 1, 1
  repeat
    local to = math.min(from + 999, #pieces)
    local letter = to == #pieces and 'e' or 'm'
    call('XADD', stream, 'MAXLEN', '~', most, digits(commit) .. '-' .. part, letter, table.concat(pieces, '', from, to))
    from, part = to + 1, part + 1
  until from > #pieces
end

-- For each user key that the batch touches: whether it was there, and the number of its last touch. The ranges that the
-- batch deletes.
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
      local version, size = user_version(k, state), #state.text
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
