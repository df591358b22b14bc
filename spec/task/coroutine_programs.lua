-- Programs made of coroutines, which must print the same with kio and without. Arguments:
--   plain | kio            whether kio is loaded
--   main | inside          run by the main program, or in a coroutine (with kio: in one in a task,
--                          where operations are scattered in that plain Lua does without)
--   fixed | first last     the written programs, or the random ones of these seeds, a line for each
--   [verbose]              every line a random program logs
local with_kio, inside = arg[1] == "kio", arg[2] == "inside"
local kio = with_kio and require "kio"
local operation = kio and inside and function()
  kio.yield()
  kio.sleep(0)
end or function() end

-- ---- what they log ----

local names, log = {}, {}

local function describe(value)
  local kind = math.type(value) or type(value)
  if kind == "string" then return (value:gsub("0x%x+", "ADDRESS")) end
  if kind == "table" or kind == "function" or kind == "thread" or kind == "userdata" then
    return names[value] or kind
  end
  return tostring(value)
end

local function note(...)
  local list = table.pack(...)
  for i = 1, list.n do list[i] = describe(list[i]) end
  log[#log + 1] = table.concat(list, " ")
end

-- ---- the random ones ----

-- A budget ends every program; the chain of resumes stays short of Lua's limit for C calls.
local state, budget, depth, forbidden, coroutines

local function random(n)
  state = state * 6364136223846793005 + 1442695040888963407
  return (state >> 33) % n + 1
end

local function random_values()
  local list = {}
  local n = random(4) - 1
  for i = 1, n do list[i] = random(100) end
  return table.unpack(list, 1, n)
end

local act

local function acts(n)
  for _ = 1, n do
    if budget <= 0 then return end
    act()
  end
end

local function body(...)
  note("begins", coroutine.running(), ...)
  acts(random(6))
  if random(6) == 1 then error("at the end of " .. describe((coroutine.running()))) end
  return random_values()
end

local function add(value)
  names[value] = "coroutine " .. #coroutines + 1
  coroutines[#coroutines + 1] = value
end

local function any() return coroutines[random(#coroutines)] end

-- Resumes what was made by create, calls what was made by wrap.
local function go_on(target)
  if depth >= 12 then return end
  depth = depth + 1
  note("to", target)
  if type(target) == "thread" then note("back", coroutine.resume(target, random_values()))
  else note("called", pcall(target, random_values())) end
  depth = depth - 1
end

local function handler(_, err)
  forbidden = forbidden + 1
  note("closing", err)
  local what = random(8)
  if what == 1 then error("in a handler") end
  if what == 2 then note("yielded", pcall(coroutine.yield, "from a handler")) end
  if what == 3 then coroutine.yield("bare") end
  if what == 4 then go_on(any()) end
  forbidden = forbidden - 1
end

local actions = {
  function() add(coroutine.create(body)) end,
  function() add(coroutine.wrap(body)) end,
  function() go_on(any()) end,
  function() go_on(any()) end,
  function() go_on(any()) end,
  function() note("got", coroutine.yield(random_values())) end,
  function() note("got", coroutine.yield(random_values())) end,
  function() note("tried", pcall(coroutine.yield, random_values())) end,
  function() error("an error") end,
  function() error("of the caller", 2) end,
  function() error({}) end,
  function() error(random(10)) end,
  function() note("pcall", pcall(acts, random(5))) end,
  function() note("xpcall", xpcall(acts, function(e) return { e } end, random(5))) end,
  function()
    local _ <close> = setmetatable({}, { __close = handler })
    acts(random(4))
  end,
  function()
    forbidden = forbidden + 1
    note("sorted", pcall(table.sort, { 1, 2 }, function()
      acts(random(3))
      return true
    end))
    forbidden = forbidden - 1
  end,
  function()
    forbidden = forbidden + 1
    local co = any()
    local ends = _VERSION ~= "Lua 5.4" and co == coroutines[1] -- with it all the programs
    if not (ends and co == coroutine.running()) then note("closed", pcall(coroutine.close, co)) end
    forbidden = forbidden - 1
  end,
  function()
    for _, co in ipairs(coroutines) do
      if type(co) == "thread" then
        note(co, coroutine.status(co), coroutine.isyieldable(co))
      end
    end
  end,
  function() note("here", coroutine.running(), coroutine.isyieldable()) end,
  function()
    local co = any()
    if type(co) == "thread" then note(debug.traceback(co)) end
  end,
}

function act()
  budget = budget - 1
  if forbidden == 0 then operation() end
  actions[random(#actions)]()
end

local function run_random(seed)
  state, budget, depth, forbidden = seed, 60, 0, 0
  names, log, coroutines = {}, {}, { (coroutine.running()) }
  names[coroutines[1]] = "the first"
  for _ = 1, 3 do
    add(coroutine.create(body))
    add(coroutine.wrap(body))
  end
  while budget > 0 do note("ends", pcall(acts, 4)) end
  for _, co in ipairs(coroutines) do
    if type(co) == "thread" and coroutine.status(co) ~= "running" then
      note(pcall(coroutine.close, co))
    end
  end
end

local function digest(text)
  local sum = #text
  text = text .. ("\0"):rep(-#text % 8)
  for at = 1, #text, 8 do sum = sum * 31 + string.unpack("<i8", text, at) end
  return ("%016x"):format(sum)
end

local function random_programs()
  for seed = tonumber(arg[3]), tonumber(arg[4]) do
    run_random(seed)
    local text = table.concat(log, "\n")
    print(seed, #log, digest(text))
    if arg[5] then print(text) end
  end
end

-- ---- the written ones ----

local function fixed_programs()
  local written = dofile((arg[0]:match("^(.*/)") or "") .. "coroutine_written.lua")
  for i, program in ipairs(written) do
    if not (inside and program.main_only) then
      names, log = {}, {}
      program.run(note, operation)
      print(("%d: %s\n  %s"):format(i, program.name, table.concat(log, "\n  ")))
    end
  end
end

local main = arg[3] == "fixed" and fixed_programs or random_programs

-- What main yields at its own top level comes here; it is told and goes on.
local function host()
  local co, given = coroutine.create(main), nil
  while coroutine.status(co) ~= "dead" do
    given = table.pack(assert(coroutine.resume(co, given)))
    note("host", table.unpack(given, 2, given.n))
  end
end

if not inside then main()
elseif kio then kio.run(host)
else host() end
