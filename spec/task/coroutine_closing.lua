-- The written programs about closing, added to those of coroutine_written.lua.
local create, yield = coroutine.create, coroutine.yield
local resume, status = coroutine.resume, coroutine.status

-- In Lua 5.4 an error, since 5.5 the end.
local function close_itself(closing, note, op)
  local function fine() end
  local function fails() error("handler") end
  local function yields() yield("out of a handler") end
  local function closes_again() coroutine.close() end
  local function here() coroutine.close() end
  local function by_name() coroutine.close(coroutine.running()) end
  local function protected() note("not closed", pcall(coroutine.close)) end
  local function in_c() table.sort({ 1, 2 }, function() coroutine.close() end) end
  local function try(make, handler, close)
    local co
    co = make(function()
      local _ <close> = closing(function(_, e) note("outer", e) handler() end)
      op()
      yield("waiting")
      local _ <close> = closing(function(_, e) note("inner", e) end)
      close()
      note "goes on"
      return "end"
    end)
    local go_on = type(co) == "thread" and resume or function(f) return pcall(f) end
    note(go_on(co))
    note(go_on(co))
    note(type(co) == "thread" and status(co), go_on(co))
  end
  for _, handler in ipairs { fine, fails, yields, closes_again } do
    for _, close in ipairs { here, by_name, protected, in_c } do
      try(create, handler, close)
      try(coroutine.wrap, handler, close)
    end
  end
  note(resume(create(coroutine.close)))
end

return function(program, closing)
  program("closing", function(note, op)
    local function pending(...)
      local handlers = { ... }
      local co = create(function()
        local _ <close> = closing(function(_, e) note("outer", e) handlers[1]() end)
        local _ <close> = closing(function(_, e) note("inner", e) handlers[2]() end)
        op()
        yield("waiting")
        error("on its way")
      end)
      note(resume(co))
      return co
    end
    local function fine() end
    local function fails() error("handler") end
    local function fails_with_table() error({}) end
    local function yields() yield("out of a handler") end
    for _, a in ipairs { fine, fails, fails_with_table, yields } do
      for _, b in ipairs { fine, fails, fails_with_table, yields } do
        local co = pending(a, b)
        note(coroutine.close(co))
        note(status(co), coroutine.close(co))
        co = pending(a, b)
        note(resume(co))
        note(status(co), coroutine.close(co))
        note(status(co), resume(co))
      end
    end
    note(coroutine.close(create(print)), coroutine.close(create(error)))
  end)

  program("closing itself", function(note, op) close_itself(closing, note, op) end)

  program("closing by wrap", function(note)
    for _, handler in ipairs {
      function() end, function() error("second", 0) end, function() error({}) end,
      function() yield("handler") end,
    } do
      local f = coroutine.wrap(function()
        local _ <close> = closing(function(_, e) note("closing", e) handler() end)
        yield(1)
        error("first", 0)
      end)
      note(f())
      note(pcall(function() f() end))
      note(pcall(f))
    end
  end)

  program("handlers that yield", function(note, op)
    local co = coroutine.wrap(function()
      for i = 1, 2 do
        local _ <close> = closing(function(_, e)
          yield("first", i, e)
          yield("second", i)
        end)
        op()
        if i == 2 then break end
      end
      note(pcall(function()
        local _ <close> = closing(function(_, e) note("resumed", yield("unwinding", e)) end)
        error("inside", 0)
      end))
      return "end"
    end)
    for i = 1, 7 do note(pcall(co, i)) end
  end)
end
