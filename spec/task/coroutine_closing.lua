-- The written programs about closing, added to those of coroutine_written.lua.
local create, yield = coroutine.create, coroutine.yield
local resume, status = coroutine.resume, coroutine.status

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
