-- timeout: 240
-- Includes and calls point downward, no files form a circle, and each header is whole by itself.
local source = require "spec.tidy.source"
local layers = require "spec.tidy.layers"

local FILES = source.files("^csrc/.*%.[ch]$")
local OBJECTS = "build/release/obj/"

local function below_csrc(path) return path:match("^csrc/(.*)$") end

-- Calls visit(including file below csrc, the included name, path, line, whether it is ours).
local function each_include(visit)
  for _, path in ipairs(FILES) do
    for n, line in ipairs(source.lines(source.read(path))) do
      local mark, name = line:match('^%s*#%s*include%s*([<"])([^>"]+)[>"]')
      if name then visit(below_csrc(path), name, path, n, mark == '"') end
    end
  end
end

local function complaints(check)
  local found = {}
  each_include(function(from, name, path, n, ours)
    local complaint = check(from, name, ours)
    if complaint then found[#found + 1] = ("%s:%d: %s"):format(path, n, complaint) end
  end)
  return found
end

-- A graph is a table: node -> set of nodes.
local function join(graph, from, to)
  graph[from] = graph[from] or {}
  graph[from][to] = true
end

local function header_graph()
  local graph = {}
  each_include(function(from, name, _, _, ours)
    if from:match("%.h$") and ours then join(graph, from, name) end
  end)
  return graph
end

-- Calls visit(file without ending, kind, symbol) for each symbol of the release objects; there may
-- be some left of files that are gone.
local function each_symbol(visit)
  local known = {}
  for _, path in ipairs(FILES) do known[(below_csrc(path):gsub("%.c$", ""))] = true end
  local names = source.capture(("find %s -name '*.o' | xargs -r nm -A"):format(OBJECTS))
  for name, kind, symbol in names:gmatch(OBJECTS .. "([^\n]-)%.o:[^\n]- ([TDRBU]) ([%w_]+)") do
    if known[name] then visit(name, kind, symbol) end
  end
end

-- Who uses a symbol of whose: functions and constants alike.
local function symbol_graph()
  local home, graph = {}, {}
  each_symbol(function(name, kind, symbol)
    if kind ~= "U" then home[symbol] = name end
  end)
  each_symbol(function(name, kind, symbol)
    if kind == "U" and home[symbol] then join(graph, name, home[symbol]) end
  end)
  return graph
end

local function upward(graph)
  local found = {}
  for from, targets in pairs(graph) do
    for to in pairs(targets) do
      if layers.rank(to .. ".") > layers.rank(from .. ".") then
        found[#found + 1] = from .. " uses " .. to
      end
    end
  end
  table.sort(found)
  return found
end

local function find_cycle(graph)
  local state = {}
  local function visit(node, trail)
    if state[node] == "done" then return nil end
    trail = trail .. " " .. node
    if state[node] then return trail end
    state[node] = "open"
    for next_node in pairs(graph[node] or {}) do
      local cycle = visit(next_node, trail)
      if cycle then return cycle end
    end
    state[node] = "done"
  end
  for node in pairs(graph) do
    local cycle = visit(node, "")
    if cycle then return cycle end
  end
end

describe("csrc", function()
  it("gives every file a layer", function()
    local found = {}
    for _, path in ipairs(FILES) do
      if not layers.rank(below_csrc(path)) then found[#found + 1] = path end
    end
    assert.same({}, found)
  end)

  it("includes only downward", function()
    assert.same({}, complaints(function(from, name, ours)
      if not ours then return nil end
      if not layers.rank(name) then return "includes without its folder: " .. name end
      if layers.rank(name) > layers.rank(from) then return "includes upward: " .. name end
    end))
  end)

  it("shows its guests nothing but public headers", function()
    assert.same({}, complaints(function(from, name, ours)
      local guest, of = from:match "^%w+", name:match "^%w+"
      if not ours or not layers.guests[guest] and not layers.guests[of] then return nil end
      if guest ~= of and not layers.public[name] then return "includes " .. name end
    end))
  end)

  it("calls only downward", function()
    local graph = symbol_graph()
    if not next(graph) then pending("needs the release build: make all") end
    assert.same({ "base/log uses net/stream" }, upward { ["base/log"] = { ["net/stream"] = true } })
    assert.same({}, upward(graph))
  end)

  it("has no circle of files", function()
    local graph = symbol_graph()
    if not next(graph) then pending("needs the release build: make all") end
    for name, targets in pairs(graph) do targets[name] = nil end
    assert.is_nil(find_cycle(graph))
  end)

  it("has no include cycles", function()
    assert.truthy(find_cycle { a = { b = true }, b = { a = true } })
    assert.is_nil(find_cycle { a = { b = true, c = true }, b = { c = true } })
    assert.is_nil(find_cycle(header_graph()))
  end)

  it("knows Lua only from `task` upward", function()
    local first = assert(layers.rank(layers.first_with_lua .. "/"))
    assert.same({}, complaints(function(from, name)
      local low = layers.rank(from) < first
      if low and layers.lua_headers[name] then return "includes " .. name end
    end))
  end)

  it("keeps liburing, threads and atomics in their rooms", function()
    assert.same({}, complaints(function(from, name)
      local rooms = layers.reserved[name]
      if rooms and not from:find(rooms) then return "includes " .. name end
    end))
  end)

  -- The Makefile takes what has not read it from the flavour `test`.
  it("knows in one header alone what is hostile", function()
    local found = {}
    for _, path in ipairs(FILES) do
      if source.read(path):find("KIO_HOSTILE", 1, true) then found[#found + 1] = path end
    end
    assert.same({ "csrc/base/config.h" }, found)
  end)

  it("lets net/stream alone write a stream's fields", function()
    local found = {}
    for _, path in ipairs(FILES) do
      local name = below_csrc(path)
      for n, line in ipairs(source.lines(source.read(path))) do
        local field = line:match("stream%->([%w_.]+)%s*[%+%-|]?=[^=]")
        if field and not name:match("^net/stream%.[ch]$") then
          found[#found + 1] = ("%s:%d: writes stream->%s"):format(path, n, field)
        end
      end
    end
    assert.same({}, found)
  end)

  it("has headers that compile alone", function()
    local known = {} -- what begins with it has been compiled
    for _, path in ipairs(source.files("^csrc/.*%.c$")) do
      local first = ("\n" .. source.read(path)):match "\n(#[^\n]*)" or ""
      known["csrc/" .. (first:match '^#include "(.*)"' or "")] = true
    end
    local lua = source.capture("pkg-config --cflags lua5.4 2>/dev/null"):match("%S+")
    local command = "gcc -std=c11 -D_GNU_SOURCE -DKIO_TEST -Icsrc %s -fsyntax-only -xc - 2>&1"
    command = command:format(lua or "-I/usr/include/lua5.4")
    local found = {}
    local lacks = {}
    for guest, library in pairs(layers.libraries) do
      local asked = ("pkg-config --modversion '%s' 2>/dev/null"):format(library)
      lacks[guest] = source.capture(asked) == ""
    end
    for _, path in ipairs(source.files("^csrc/.*%.h$")) do
      if known[path] or lacks[path:match "^csrc/(%w+)/"] then goto continue end
      local include = ("printf '#include \"%s\"\\n' | "):format(below_csrc(path))
      local text = source.capture(include .. command)
      if text ~= "" then found[#found + 1] = path .. ": " .. text end
      ::continue::
    end
    assert.same({}, found)
  end)
end)
