-- What the release build contains: one exported name, no mutable state but one per thread.
local source = require "spec.tidy.source"

local OBJECTS = "build/release/obj"
local CORE = "build/release/kio/core.so"

-- The driver builds it; a busted started by hand may find nothing.
local function need_build()
  local file <close> = io.open(CORE)
  if not file then pending("needs the release build: make all") end
end

local FOUND = "find " .. OBJECTS .. " -name '*.o'"

-- The symbols of all object files: list of { path, name, kind, section }.
local function symbols()
  local list = {}
  for line in source.capture(FOUND .. " | xargs -r nm -A -f sysv"):gmatch("[^\n]+") do
    local path, name, kind, section =
      line:match("^([^:|]+):(%S+)%s*|[^|]*|[^|]*|%s*(%S+)|[^|]*|[^|]*|(%S+)")
    if name then
      list[#list + 1] = { path = path, name = name, kind = kind, section = section }
    end
  end
  return list
end

local function objects() return source.capture(FOUND):gmatch("[^\n]+") end

-- Tables of constants that hold addresses live in .data.rel.ro: written by the loader only.
local function mutable(section)
  if section:match("^%.data%.rel%.ro") then return false end
  return section:match("^%.data") or section:match("^%.bss") or section:match("COM")
end

describe("the release build", function()
  it("exports only the function that Lua calls", function()
    need_build()
    local names = {}
    for name in source.capture("nm -D --defined-only " .. CORE):gmatch("%S+ %a (%S+)") do
      names[#names + 1] = name
    end
    assert.same({ "luaopen_kio_core" }, names)
  end)

  local function exported(guest)
    local path = ("build/release/kio/%s/core.so"):format(guest)
    local file <close> = io.open(path)
    if not file then return pending(path .. " is not built: it needs its library") end
    return (source.capture("nm -D --defined-only " .. path):gsub("%S+ %a ", ""))
  end

  for _, guest in ipairs { "http", "tls", "zlib" } do
    it("exports only the function that Lua calls from kio." .. guest, function()
      assert.equal("luaopen_kio_" .. guest .. "_core\n", exported(guest))
    end)
  end

  -- Numbers of descriptors are the process's, and so is the table of them (docs/rationale.md).
  local SHARED = { "choose.o: verdict", "number.o: kio_number_table" }

  it("has no mutable state at file scope but that and one thread-local", function()
    need_build()
    local shared, thread_local, all = {}, {}, symbols()
    assert.is_true(#all > 0)
    for _, symbol in ipairs(all) do
      local text = symbol.path:match("[^/]+$") .. ": " .. symbol.name
      if symbol.kind == "TLS" and symbol.section ~= "*UND*" then
        thread_local[#thread_local + 1] = text
      elseif symbol.kind == "OBJECT" and mutable(symbol.section) then
        shared[#shared + 1] = text
      end
    end
    assert.same(SHARED, shared)
    assert.is_true(#thread_local <= 1, table.concat(thread_local, "\n"))
  end)

  it("contains nothing that is for tests only", function()
    need_build()
    local found = {}
    for path in objects() do
      local name = path:match("obj/(.*)$")
      local there = io.open("csrc/" .. name:gsub("%.o$", ".c"))
      if there then there:close() end
      -- an object without its source is only what an older build left
      if there and (name:match("^test/") or name:match("/test_")) then found[#found + 1] = name end
    end
    assert.same({}, found)
  end)
end)
