-- Runs the load generator against one server and reads its line. All processes are load's own.
local loader = {}

local function quoted(word)
  if word:match "^[%w_./=-]+$" then return word end
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

-- The words as one shell command.
function loader.shell(words)
  local parts = {}
  for i, word in ipairs(words) do parts[i] = quoted(tostring(word)) end
  return table.concat(parts, " ")
end

-- What a command prints, stderr too, and whether it ended well.
function loader.output(words)
  local pipe = assert(io.popen(loader.shell(words) .. " 2>&1"))
  local text = pipe:read "a"
  return text, pipe:close() == true
end

local function parse(text)
  local line = text:match "conns=[^\n]*"
  if not line then return nil end
  local result = { line = line }
  for key, value in line:gmatch "([%w_]+)=(%S+)" do result[key] = tonumber(value) end
  return result
end

-- The first line that tells a reader why, for a table cell.
local function reason(text)
  return text:match "not found:?" and text:match "[^\n]*not found" or text:match "[^\n]+"
    or "it printed nothing"
end

-- Loads a server, by the program server.load (load). `options` are that program's, { conns = 50,
-- ... }; `wrapper` is put before the server's command, but behind env(1), which valgrind would
-- otherwise count instead of the server; `contract` is the server's arguments. Gives the figures of
-- load's line by their names.
function loader.run(root, server, options, contract, wrapper)
  local words = { root .. "build/bench/" .. (server.load or "load") }
  for name, value in pairs(options) do
    words[#words + 1] = "--" .. name
    if value ~= true then words[#words + 1] = value end
  end
  words[#words + 1] = "--"
  local before = server.environment or {}
  for _, list in ipairs { before, wrapper or {}, server.command, contract } do
    table.move(list, 1, #list, #words + 1, words)
  end
  local text, ok = loader.output(words)
  local result = ok and parse(text)
  if not result then return nil, reason(text) end
  if result.requests == 0 then return nil, "no request was answered in time" end
  return result
end

-- Whether a server works at all: one request. Its figures, or nil and why not.
function loader.probe(root, server)
  local options = { conns = 1, requests = 1, ["warm-requests"] = 0, once = true }
  return loader.run(root, server, options, { "once" })
end

return loader
