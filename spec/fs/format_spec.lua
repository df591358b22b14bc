-- timeout: 120
-- flavours: test asan hostile
-- The formats of file:read, seek and write against Lua's own io: random calls on random data must
-- give the same values, the same positions and the same files. KIO_SEED repeats a failure.
-- (ThreadSanitizer keeps a stack entry for every longjmp, and has room for fewer than this yields.)
local kio = require "kio"
local common = require "spec.fs.common"
local support = require "spec.support"

local ROUNDS = support.scale { full = 100, test = 12, rest = 4 }
local CALLS = 60

local random = math.random

local function pick(list) return list[random(#list)] end

-- ---- random data ----

local NUMERALS = {
  "0", "7", "12", "-3", "+4", "0x1F", "-0Xa.8p3", "1e5", "1E-2", ".5", "5.", "-.5e+1", "0x.8",
  "9007199254740993", "123456789012345678901234567890", ("1"):rep(199), ("1"):rep(200),
  ("1"):rep(201), ("0"):rep(230), "0x" .. ("f"):rep(198), -- as long as Lua takes them, and longer
  "0x", "1e", "1e+", "+", "-", ".", "e5", "0x1p", "--1", "1..2", "1.2.3", "nan", "inf", "1f", "0xg",
}
local SPACES = { " ", "\t", "\n", "\r\n", "\v\f ", "  \n\n", "" }
local OTHERS = { "\0", "\255\254", "word", "a line of words", ("x"):rep(300), "\n" }

local function random_text(count)
  local parts = {}
  for i = 1, count do
    local kind = random(3)
    parts[i] = kind == 1 and pick(NUMERALS) or kind == 2 and pick(SPACES) or pick(OTHERS)
    if random(2) == 1 then parts[i] = parts[i] .. pick(SPACES) end
  end
  return table.concat(parts)
end

-- ---- random calls ----

local FORMATS = { "l", "L", "n", "a", "*l", "*L", "*n", "*a", "line", 0, 1, 2, 7, 100, 5000 }

local function random_formats()
  local list = {}
  for i = 1, random(0, 3) do list[i] = pick(FORMATS) end
  if random(5) > 1 then -- "a" would read everything at once too often
    for i, format in ipairs(list) do
      if format == "a" or format == "*a" then list[i] = "n" end
    end
  end
  return list
end

local function random_call(may_write)
  local kind = random(may_write and 5 or 3)
  if kind <= 2 then return "read", random_formats() end
  if kind == 3 then
    local whence = pick { "set", "cur", "end" }
    local offset = whence == "set" and random(0, 2000) or random(-300, 20)
    return "seek", { whence, offset }
  end
  return "write", { random_text(random(4)), random(1000), pick(NUMERALS) }
end

-- C wants a seek between reading and writing; kio does not.
local function call_io(file, state, name, arguments)
  if name ~= "seek" and state.last and state.last ~= name then file:seek("cur", 0) end
  state.last = name ~= "seek" and name or nil
  return file[name](file, table.unpack(arguments))
end

local function show(results)
  local texts = {}
  for i = 1, results.n do
    local value = results[i]
    texts[i] = type(value) == "string" and ("%q"):format(value)
      or ("%s %s"):format(math.type(value) or "", value)
  end
  return table.concat(texts, ", ")
end

-- Only what both tell alike: the messages of failures differ.
local function comparable(name, results, file)
  if name == "write" and results[1] == file then return "the file" end
  if results[1] == nil and results[2] then return "a failure" end
  return show(results)
end

local function compare(seed, n, name, arguments, theirs, ours)
  if theirs == ours then return end
  error(("seed %d, call %d, %s(%s)\n  io:  %s\n  kio: %s"):format(seed, n, name,
    show(table.pack(table.unpack(arguments))), theirs, ours), 0)
end

local function play(seed, mode, read_ahead)
  math.randomseed(seed)
  local text = random_text(random(0, 60))
  local their_path, our_path = common.file(text), common.file(text)
  local theirs <close> = assert(io.open(their_path, mode))
  local ours <close> = assert(kio.fs.open(our_path, mode, { read_ahead = read_ahead }))
  local state = {}
  for n = 1, CALLS do
    local name, arguments = random_call(mode ~= "r")
    local expected = comparable(name, table.pack(call_io(theirs, state, name, arguments)), theirs)
    local got = comparable(name, table.pack(ours[name](ours, table.unpack(arguments))), ours)
    compare(seed, n, name, arguments, expected, got)
    compare(seed, n, "seek", {}, tostring(theirs:seek()), tostring(ours:seek()))
  end
  theirs:close()
  ours:close()
  compare(seed, CALLS, "content", {}, common.content(their_path), common.content(our_path))
end

-- ---- the property ----

local first_seed = math.tointeger(tonumber(os.getenv("KIO_SEED")))

local function rounds(mode, read_ahead, opts, script)
  for _ = 1, first_seed and 1 or ROUNDS do
    local seed = first_seed or random(1 << 40)
    if script then kio.core.sim(script) end
    support.run(function() play(seed, mode, read_ahead) end, opts)
    math.randomseed(seed + 1)
  end
end

describe("a file against Lua's io", function()
  setup(function() math.randomseed() end)

  for _, mode in ipairs { "r", "r+", "w+", "a+" } do
    it("agrees in mode " .. mode, function() rounds(mode) end)

    for _, read_ahead in ipairs { 0, 1, 7 } do
      it(("agrees in mode %s, reading %d bytes ahead"):format(mode, read_ahead), function()
        rounds(mode, read_ahead)
      end)
    end

    it(("agrees in mode %s when reads and writes are cut short"):format(mode), function()
      rounds(mode, nil, { backend = "sim" }, { short = 5 })
    end)
  end
end)
