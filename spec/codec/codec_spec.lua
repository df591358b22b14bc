-- What crosses from one Lua state to another, and what is refused by its path.
local common = require "spec.codec.common"
local core = require "kio.core"
local kio = require "kio"

local round, call, refusal = common.round, common.call, common.refusal

-- A chain of n tables.
local function nest(n)
  local chain = {}
  for _ = 2, n do chain = { chain } end
  return chain
end

describe("a value", function()
  it("crosses as it is: numbers, strings, booleans, nil", function()
    local list = table.pack(round(nil, true, false, 0, -1, 1 << 62, 0.5, "", "a\0b", nil))
    assert.equal(10, list.n)
    assert.same({ nil, true, false, 0, -1, 1 << 62, 0.5, "", "a\0b", nil, n = 10 }, list)
  end)

  it("keeps integers and floats apart, to the bit", function()
    for _, number in ipairs { 1, 1.0, -0.0, 0.0, 0 / 0, 1 / 0, -1 / 0, math.mininteger,
      math.maxinteger, 2 ^ 63, 5e-324, 127, 128, -127, -128, 16383, 16384 } do
      assert.is_true(common.same(number, (round(number))), tostring(number))
    end
  end)

  it("is none", function()
    assert.equal(0, select("#", round()))
  end)

  it("is one of very many", function()
    local list = {}
    for i = 1, 5000 do list[i] = i end
    assert.equal(5000, select("#", round(table.unpack(list))))
  end)
end)

describe("a table", function()
  it("is copied", function()
    local original = { 1, 2, 3, name = "x", [2.5] = { true } }
    local copy = round(original)
    assert.same(original, copy)
    assert.are_not.equal(original, copy)
    assert.are_not.equal(original[2.5], copy[2.5])
  end)

  it("keeps its holes", function()
    local copy = round { 1, nil, 3, [10] = 4 }
    assert.same({ 1, nil, 3, [10] = 4 }, copy)
  end)

  it("keeps what is shared and what is cyclic, across all values of a parcel", function()
    local inner = {}
    local outer = { inner, inner, at = inner }
    inner.up, inner[outer] = outer, inner
    local a, b = round(outer, inner)
    assert.equal(b, a[1])
    assert.equal(b, a[2])
    assert.equal(b, a.at)
    assert.equal(a, b.up)
    assert.equal(b, b[a])
  end)

  it("names a long string once", function()
    local text = ("long"):rep(1000)
    local parcel = core.codec_pack(nil, { text, text, text, [text] = text }, text)
    assert.is_true(#core.codec_bytes(parcel) < 4100)
    local _, copy, again = core.codec_unpack(parcel)
    assert.same({ text, text, text, [text] = text }, copy)
    assert.equal(text, again)
  end)
end)

describe("a function", function()
  local peer
  before_each(function() peer = core.codec_peer() end)
  after_each(function() getmetatable(peer).__close(peer) end)

  it("crosses with its variables, and is independent then", function()
    local n = 40
    local function add(m)
      n = n + m
      return n
    end
    assert.equal(42, (call(peer, "return (...)(2)", add)))
    assert.equal(40, n)
  end)

  it("shares a variable with another one of the same parcel", function()
    local n = 0
    local function up() n = n + 1 end
    local function get() return n end
    local a, b, c = call(peer, "local t = ... t[1]() t.up() return t.get(), t.get == t[2], n",
      { up, get, up = up, get = get })
    assert.same({ 2, true, nil }, { a, b, c })
    assert.equal(0, n)
  end)

  it("may call itself", function()
    local function factorial(n) return n == 0 and 1 or n * factorial(n - 1) end
    assert.equal(3628800, (call(peer, "return (...)(10)", factorial)))
  end)

  it("has the globals of where it runs", function()
    local function get() return marker, _G end -- luacheck: ignore marker
    local marker_there, is_there = call(peer,
      "marker = 'there' local m, g = (...)() return m, g == _G", get)
    assert.same({ "there", true }, { marker_there, is_there })
  end)

  it("keeps the names and lines its errors tell", function()
    local line = debug.getinfo(1, "l").currentline + 1
    local function fail() error "oh" end
    local _, message = call(peer, "return pcall(...)", fail)
    assert.equal("spec/codec/codec_spec.lua:" .. line .. ": oh", message)
  end)

  it("comes back", function()
    local function twice(f) return function(x) return f(f(x)) end end
    local again = call(peer, "local t, f = ... return t(f)", twice, function(x) return x * 3 end)
    assert.equal(18, again(2))
  end)

  it("without upvalues, or with 200 of them, is no exception", function()
    local lines = {}
    for i = 1, 150 do lines[#lines + 1] = ("local v%d = %d"):format(i, i) end
    lines[#lines + 1] = "return function() return 0"
    for i = 1, 150 do lines[#lines + 1] = " + v" .. i end
    local sum = load(table.concat(lines, "\n") .. " end")()
    assert.equal(11325, (call(peer, "return (...)()", sum)))
    assert.equal(1, (call(peer, "return (...)()", load "return 1")))
  end)
end)

describe("a module", function()
  it("is one also when a function lies deeper in it, before any of its own", function()
    local unnamed = ("x"):gmatch "x"
    local module = { { { unnamed } }, f = function() end }
    package.loaded["spec.codec.deep"] = module
    assert.equal(module, round(module))
    assert.equal(module, round { { module } }[1][1])
    package.loaded["spec.codec.deep"] = nil
    assert.matches("^arg 1%[1%]%[1%]%[1%]: a C function", refusal(module))
  end)

  local peer
  before_each(function() peer = core.codec_peer() end)
  after_each(function() getmetatable(peer).__close(peer) end)

  it("crosses by its name, as a value and as a variable", function()
    local function get() return kio end
    assert.is_true(call(peer, "local f, k = ... return k == require 'kio' and f() == k", get, kio))
    assert.is_true(call(peer, "return (...).a == string", { a = string }))
    assert.equal(kio, (round(kio)))
  end)

  it("gives its functions by name: they are the module's there", function()
    assert.is_true(call(peer, [[
      local sleep, map, format, report, cancelled = ...
      local kio = require "kio"
      return sleep == kio.sleep and map == kio.map and format == string.format and report == print
        and cancelled == kio.Cancelled]], kio.sleep, kio.map, string.format, print, kio.Cancelled))
  end)

  it("is recognized when it was met as a plain table first", function()
    local module = { data = { 1 } }
    module.late = function() return module end
    package.loaded["spec.codec.late"] = module
    local copy, list = round(module, { module })
    package.loaded["spec.codec.late"] = nil
    assert.equal(module, copy)
    assert.equal(module, list[1])
  end)

  it("that holds only data is copied", function()
    local module = { port = 80 }
    package.loaded["spec.codec.data"] = module
    local alone = round(module)
    local f, beside = round(function() return module end, module)
    package.loaded["spec.codec.data"] = nil
    assert.same({ port = 80 }, alone)
    assert.are_not.equal(module, alone)
    assert.are_not.equal(module, beside)
    assert.equal(beside, f())
  end)

  it("is one also when all it has is a metatable", function()
    package.loaded["spec.lazy"] = setmetatable({}, { __index = function(_, key) return key end })
    local module = package.loaded["spec.lazy"]
    assert.equal(module, (round(module)))
    assert.equal("x", (round(function() return module.x end))())
    package.loaded["spec.lazy"] = nil
    assert.equal("arg 1: a table with a metatable cannot cross to another thread", refusal(module))
  end)

  it("may get new C functions and be forgotten", function()
    local method = getmetatable(io.stdout).__index.lines
    assert.matches("no field of a loaded module", refusal(method))
    package.loaded["spec.codec.new"] = { lines = method }
    assert.equal(method, (round(method)))
    package.loaded["spec.codec.new"].lines = nil
    assert.matches("no field of a loaded module", refusal(method))
    package.loaded["spec.codec.new"] = nil
    assert.matches("no field of a loaded module", refusal(method))
  end)

  it("that cannot be loaded there is an error that names it", function()
    package.loaded["spec.codec.nowhere"] = { f = function() end }
    local parcel = core.codec_pack(nil, package.loaded["spec.codec.nowhere"])
    package.loaded["spec.codec.nowhere"] = nil
    local ok, message = core.codec_unpack(parcel)
    assert.is_nil(ok)
    assert.matches("module 'spec.codec.nowhere' not found", message)
  end)

  it("that lacks a function there is an error that names both", function()
    local f = function() end
    rawset(string, "only_here", f)
    local parcel = core.codec_pack(nil, f)
    rawset(string, "only_here", nil)
    local ok, message = core.codec_unpack(parcel)
    assert.is_nil(ok)
    assert.equal("module 'string' has no field 'only_here' on this thread", message)
  end)

  it("whose loading fails gives its error", function()
    local parcel
    local function pack(name)
      package.loaded[name] = { f = function() end }
      parcel = core.codec_pack(nil, package.loaded[name])
      package.loaded[name] = nil
    end
    package.preload["spec.codec.broken"] = function() error("broken on purpose", 0) end
    pack "spec.codec.broken"
    assert.matches("broken on purpose", select(2, core.codec_unpack(parcel)))
    package.preload["spec.codec.broken"] = function() error({}) end
    pack "spec.codec.broken"
    assert.matches("raised an error that is no text", select(2, core.codec_unpack(parcel)))
    package.preload["spec.codec.broken"] = nil
  end)
end)

describe("what cannot cross", function()
  local file
  before_each(function() file = assert(io.open("/dev/null")) end)
  after_each(function() file:close() end)

  it("is named by its path", function()
    local co = coroutine.create(print)
    local t = setmetatable({}, {})
    assert.equal("arg 1: a coroutine cannot cross to another thread", refusal(co))
    assert.equal("arg 2.config.logger: userdata (FILE*) cannot cross to another thread",
      refusal(1, { config = { logger = file } }))
    assert.equal("arg 1[3]: a table with a metatable cannot cross to another thread",
      refusal { 1, 2, t })
    assert.equal('arg 1["two words"][-1]: a coroutine cannot cross to another thread',
      refusal { ["two words"] = { [-1] = co } })
    assert.equal("arg 1[2.5]: a coroutine cannot cross to another thread",
      (refusal({ [2.5] = co }):gsub("%[a number%]", "[2.5]")))
    assert.equal("arg 1 a key: a coroutine cannot cross to another thread", refusal { [co] = 1 })
    assert.equal("arg 1[a table] a key: a coroutine cannot cross to another thread",
      refusal { [{}] = { [co] = 1 } })
    assert.equal("arg 1[a string]: a coroutine cannot cross to another thread",
      refusal { [("k"):rep(41)] = co })
    assert.equal("arg 1 upvalue 'file'.n: userdata (FILE*) cannot cross to another thread",
      refusal((function()
        local file = { n = file } -- luacheck: ignore file
        return function() return file end
      end)()))
  end)

  it("is a C function that no module names", function()
    assert.equal("arg 1: a C function that is no field of a loaded module cannot cross to another "
      .. "thread", refusal(string.gmatch("a", "a")))
    assert.matches("^arg 1%.f: a C function", refusal { f = coroutine.wrap(print) })
  end)

  it("is a task, a scope or another object of kio's that belongs to its thread", function()
    kio.run(function()
      local task = kio.spawn(function() end)
      assert.equal("arg 1[1]: userdata (kio.Task) cannot cross to another thread", refusal { task })
      task:await()
    end)
    assert.equal("arg 1: a table with a metatable cannot cross to another thread",
      refusal(kio.sync.mutex()))
  end)

  it("is what is nested too deep", function()
    assert.same(nest(200), (round(nest(200))))
    assert.equal("arg 1[1][1][1][1][1][1][1] ... [1][1][1][1][1][1][1][1]: nested more than 200 "
      .. "levels deep", refusal(nest(201)))
    local parcel, message = core.codec_pack({ depth = 2 }, { { 1 } }, { { {} } })
    assert.is_nil(parcel)
    assert.equal("arg 2[1][1]: nested more than 2 levels deep", message)
    local f = function() end
    for _ = 1, 200 do
      local inner = f
      f = function() return inner end
    end
    assert.matches("upvalue 'inner' upvalue 'inner': nested more than 200", refusal(f))
  end)

  it("is what is too large", function()
    local limits = { size = 1000, what = "message" }
    assert.is_truthy(core.codec_pack(limits, ("x"):rep(900)))
    local parcel, message = core.codec_pack(limits, 1, { text = ("x"):rep(1001) })
    assert.is_nil(parcel)
    assert.equal("message 2.text: more bytes than a message may have", message)
    parcel, message = core.codec_pack(limits, nest(150))
    assert.is_nil(parcel)
    assert.matches("^message 1%[1%].*: more bytes than a message may have$", message)
    local long = assert(load(("x = x + 1 "):rep(300)))
    parcel, message = core.codec_pack(limits, long)
    assert.is_nil(parcel)
    assert.equal("message 1: more code than a message may have", message)
  end)
end)
