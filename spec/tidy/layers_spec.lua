-- timeout: 240
-- Includes point downward, and each header is whole by itself.
local source = require "spec.tidy.source"
local layers = require "spec.tidy.layers"

local FILES = source.files("^csrc/[^/]+%.[ch]$")

local function stem(path) return path:match("([^/]+)%.[ch]$") end

-- Calls visit(stem of the including file, the included name, path, line, whether it is ours: the
-- system has a <sched.h> too).
local function each_include(visit)
  for _, path in ipairs(FILES) do
    for n, line in ipairs(source.lines(source.read(path))) do
      local mark, name = line:match('^%s*#%s*include%s*([<"])([^>"]+)[>"]')
      if name then visit(stem(path), name, path, n, mark == '"') end
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

-- The header graph: stem -> list of stems.
local function graph()
  local edges = {}
  each_include(function(from, name, path, _, ours)
    if path:match("%.h$") and ours then
      edges[from] = edges[from] or {}
      table.insert(edges[from], stem(name))
    end
  end)
  return edges
end

local function find_cycle(edges)
  local state = {}
  local function visit(node, trail)
    if state[node] == "done" then return nil end
    trail = trail .. " " .. node
    if state[node] then return trail end
    state[node] = "open"
    for _, next_node in ipairs(edges[node] or {}) do
      local cycle = visit(next_node, trail)
      if cycle then return cycle end
    end
    state[node] = "done"
  end
  for node in pairs(edges) do
    local cycle = visit(node, "")
    if cycle then return cycle end
  end
end

describe("csrc", function()
  it("gives every file a layer", function()
    local found = {}
    for _, path in ipairs(FILES) do
      if not layers.rank(stem(path)) then found[#found + 1] = path end
    end
    assert.same({}, found)
  end)

  it("includes only downward", function()
    assert.same({}, complaints(function(from, name, ours)
      if not ours then return nil end
      local above, below = layers.rank(from), layers.rank(stem(name))
      if above and below and below > above then return "includes upward: " .. name end
    end))
  end)

  it("has no include cycles", function()
    assert.truthy(find_cycle { a = { "b" }, b = { "a" } })
    assert.is_nil(find_cycle { a = { "b", "c" }, b = { "c" } })
    assert.is_nil(find_cycle(graph()))
  end)

  it("knows Lua only from `task` upward", function()
    local first = assert(layers.rank(layers.first_with_lua))
    assert.same({}, complaints(function(from, name)
      local low = (layers.rank(from) or 0) < first
      if low and layers.lua_headers[name] then return "includes " .. name end
    end))
  end)

  it("keeps liburing, threads and atomics in their rooms", function()
    assert.same({}, complaints(function(from, name)
      local rooms = layers.reserved[name]
      if rooms and not rooms[from] then return "includes " .. name end
    end))
  end)

  it("has headers that compile alone", function()
    local lua = source.capture("pkg-config --cflags lua5.4 2>/dev/null"):match("%S+")
    local command = "gcc -std=c11 -D_GNU_SOURCE -DKIO_TEST -iquote csrc %s -fsyntax-only -xc - 2>&1"
    command = command:format(lua or "-I/usr/include/lua5.4")
    local found = {}
    for _, path in ipairs(source.files("^csrc/[^/]+%.h$")) do
      local include = ("printf '#include \"%s\"\\n' | "):format(path:match("[^/]+$"))
      local text = source.capture(include .. command)
      if text ~= "" then found[#found + 1] = path .. ": " .. text end
    end
    assert.same({}, found)
  end)
end)
