-- Written programs for coroutine_programs.lua: each corner of Lua's coroutine library, with every
-- message. `note` logs its arguments, `op` may be an operation.
local programs = {}

local function program(name, run, main_only)
  programs[#programs + 1] = { name = name, run = run, main_only = main_only }
end

local create, yield = coroutine.create, coroutine.yield
local resume, status = coroutine.resume, coroutine.status

-- Since Lua 5.5 a coroutine may also close itself: coroutine_closing.lua.
local CLOSED_BY_OTHERS <const> = _VERSION == "Lua 5.4"

local function closing(f) return setmetatable({}, { __close = f }) end

program("wrong arguments", function(note)
  local values = { 1, "x", true, {}, print, create(print) }
  for _, name in ipairs {
    "create", "resume", "wrap", "status", "close", "running", "isyieldable", "yield",
  } do
    if name ~= "yield" and name ~= "close" then note(name, pcall(coroutine[name])) end
    for i = 1, #values do
      if name ~= "yield" then note(name, i, pcall(coroutine[name], values[i])) end
    end
    if name ~= "yield" then note(name, pcall(coroutine[name], nil)) end
  end
end)

program("values both ways", function(note, op)
  local co = create(function(...)
    note("in", ...)
    op()
    note("in", yield(1, nil, 3))
    note("in", yield())
    return nil, "end", nil
  end)
  op()
  note(resume(co, nil, "a", nil))
  note(resume(co))
  note(resume(co, 1, 2))
  note(resume(co))
end)

program("states", function(note, op)
  local co
  co = create(function()
    note(status(co), coroutine.isyieldable())
    local inner = create(function() note(status(co), pcall(coroutine.close, co)) end)
    resume(inner)
    op()
    note(status(inner), resume(co))
    if CLOSED_BY_OTHERS then note(pcall(coroutine.close, co)) end
    yield()
  end)
  note(status(co))
  resume(co)
  note(status(co))
  resume(co)
  note(status(co), resume(co, 1))
  note(resume(co))
end)

program("the coroutine that runs", function(note)
  local co, main = coroutine.running()
  note(type(co), main == false or main == true, status(co), resume(co))
  if main or CLOSED_BY_OTHERS then note(pcall(coroutine.close, co)) end
end)

program("yields where there is none", function(note)
  note(pcall(yield, 1))
  note(coroutine.isyieldable())
end, true)

program("errors through resume", function(note, op)
  for _, raise in ipairs {
    function() error("text") end, function() error("text", 0) end, function() error("text", 2) end,
    function() error({}) end, function() error(nil) end, function() error(42) end,
    function() local x = nil; x() end, function() return nil + 1 end, function() return #nil end,
    function() op() error("after") end, function() yield() op() error("later") end,
  } do
    local co = create(raise)
    repeat note(resume(co)) until status(co) == "dead"
    note(debug.traceback(co))
    note(coroutine.close(co))
    note(coroutine.close(co))
    note(resume(co))
  end
end)

program("errors through wrap", function(note, op)
  local function failing(value, level)
    return coroutine.wrap(function()
      op()
      yield(1)
      error(value, level)
    end)
  end
  for _, value in ipairs { "text", "%s", {}, 42, true } do
    for level = 0, 2 do
      local f = failing(value, level)
      note(f())
      note(pcall(function() f() end))
      note(pcall(f))
      note(pcall(function() return f() end))
      local g = failing(value, level)
      note(pcall(function() for _ in g do op() end end))
      local h = setmetatable({}, { __index = failing(value, level) })
      note(h.x, pcall(function() return h.y end))
    end
  end
  local nested = coroutine.wrap(function() coroutine.wrap(function() error("deep") end)() end)
  note(pcall(nested))
end)

program("yields across calls", function(note, op)
  local co = coroutine.wrap(function()
    note(pcall(function()
      op()
      yield("pcall")
      error("x", 0)
    end))
    note(xpcall(function(...)
      op()
      note(yield("xpcall", ...))
      error("y", 0)
    end, function(e) return "handled " .. e end, 1, 2))
    local t = setmetatable({}, {
      __index = function(_, k) op() return yield(k) end,
      __add = function() return yield("add") end,
      __lt = function() return yield("lt") end,
      __concat = function() return yield("concat") end,
      __eq = function() return yield("eq") end,
      __len = function() return yield("len") end,
      __call = function(_, ...) return yield("call", ...) end,
      __newindex = function() yield("newindex") end,
    })
    local other = setmetatable({}, getmetatable(t))
    t.field = 1
    note(t.name, t + 1, t < other, t .. "s", t == other, #t, t(1, 2))
    for a, b in yield, "state", "control" do
      note(a, b)
      if a == 3 then break end
    end
    return "end"
  end)
  for i = 1, 16 do note(i, pcall(co, i)) end
end)

program("yields that C does not allow", function(note)
  local co = coroutine.wrap(function()
    note(pcall(table.sort, { 1, 2, 3 }, yield))
    note(pcall(string.gsub, "abc", ".", yield))
    note(pcall(load, yield))
    note(pcall(tostring, setmetatable({}, { __tostring = yield })))
    note(pcall(require, "no such module"))
    note("still", yield("here"))
  end)
  note(co())
  note(co("x"))
end)

program("permutations", function(note, op)
  local function permute(list, n)
    if n <= 1 then yield(table.concat(list, " ")) end
    for i = 1, n do
      list[n], list[i] = list[i], list[n]
      op()
      permute(list, n - 1)
      list[n], list[i] = list[i], list[n]
    end
  end
  for text in coroutine.wrap(function() permute({ 1, 2, 3 }, 3) end) do note(text) end
end)

program("too many values", function(note)
  local function many() return table.unpack({}, 1, 999900) end
  note(select("#", resume(create(many))), (select(2, resume(create(many)))))
  note(resume(create(function(...) return select("#", ...) end), table.unpack({}, 1, 200000)))
  local co = create(function() yield(table.unpack({}, 1, 200000)) end)
  note(select("#", resume(co)))
  note(resume(co))
end, true)

program("too deep", function(note)
  for _, level in ipairs {
    function(down) return coroutine.wrap(down)() end,
    function(down) return assert(resume(create(down))) end,
  } do
    local n = 0
    local function down()
      n = n + 1
      return level(down)
    end
    local ok, message = pcall(down)
    note(ok, n, (message:gsub("[^:]*:%d+: ", "")))
  end
end, true)

local here = debug.getinfo(1, "S").source:match("^@(.*/)") or ""
dofile(here .. "coroutine_closing.lua")(program, closing)

return programs
