-- What a seed has done, written down before it is done: a process that crashes leaves its last
-- calls. Opened for each line, for the program closes descriptors by number.
local journal = {}

local path, failures = nil, 0

local function append(line)
  local file <close> = io.open(path, "a")
  if file then file:write(line, "\n") end
end

function journal.open(name) path = name end

local function text(value)
  local shown = ("%q"):format(#value > 40 and value:sub(1, 40) .. "..." or value)
  return (shown:gsub("\\\n", "\\n"))
end

-- A value in few words, without calling any metamethod.
function journal.word(value, deep)
  local kind = type(value)
  if kind == "string" then return text(value) end
  if kind == "nil" or kind == "boolean" or kind == "number" then return tostring(value) end
  local meta = debug.getmetatable(value)
  local name = type(meta) == "table" and rawget(meta, "__name")
  if name then return (rawget(meta, "__unm") and "restless " or "") .. tostring(name) end
  if kind ~= "table" or deep then return kind end
  local parts = {}
  for key, item in next, value do
    parts[#parts + 1] = (math.type(key) and "" or journal.word(key, true) .. "=")
      .. journal.word(item, true)
    if #parts == 6 then break end
  end
  table.sort(parts)
  return (meta and "restless" or "") .. "{" .. table.concat(parts, ", ") .. "}"
end

function journal.words(list)
  local parts = {}
  for i = 1, list.n do parts[i] = journal.word(list[i]) end
  return table.concat(parts, ", ")
end

function journal.write(format, ...) append(format:format(...)) end

function journal.fail(format, ...)
  failures = failures + 1
  append("FAILURE: " .. format:format(...))
end

function journal.failures() return failures end

return journal
