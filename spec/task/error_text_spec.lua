-- Errors whose text cannot be had: wherever one is told it is told all the same, and what tells it
-- goes on.
-- flavours: test asan
local kio = require "kio"
local support = require "spec.support"

local run = support.run

local function with(meta) return setmetatable({}, meta) end

-- By way of C: that is over at 200 levels, and not at a million slots of the stack.
local function bottomless() return (("x"):gsub("x", bottomless)) end

local recursive = {}
recursive.__tostring = function(self) return "<" .. tostring(self) .. ">" end

local errors = {
  ["raises"] = function() return with { __tostring = function() error "in __tostring" end } end,
  ["raises itself"] = function() return with { __tostring = function(self) error(self) end } end,
  ["raises nil"] = function() return with { __tostring = function() error(nil) end } end,
  ["gives a number"] = function() return with { __tostring = function() return 7 end } end,
  ["gives nil"] = function() return with { __tostring = function() end } end,
  ["gives a table"] = function() return with { __tostring = function() return {} end } end,
  ["yields"] = function() return with { __tostring = coroutine.yield } end,
  ["waits"] = function() return with { __tostring = function() kio.sleep(0) return "?" end } end,
  ["never ends"] = function() return with { __tostring = bottomless } end,
  ["asks itself"] = function() return with(recursive) end,
  ["is no function"] = function() return with { __tostring = {} } end,
  ["is hidden"] = function() return with { __metatable = false, __tostring = error } end,
  ["has a strange name"] = function() return with { __name = {} } end,
  ["holds zeros"] = function() return with { __tostring = function() return "a\0b" end } end,
}

local function each_error(f)
  for name, make in pairs(errors) do
    local ok, err = pcall(f, make())
    if not ok then error(name .. ": " .. kio.core.own.text_of(err), 0) end
  end
end

local function raise(value) return function() error(value) end end

describe("an error whose text cannot be had", function()
  it("goes on being one for on_error = true of a task", function()
    each_error(function(value)
      run(function()
        local task = kio.spawn { raise(value), name = "bad", on_error = true }
        kio.yield()
        local ok, err = task:join()
        assert.is_false(ok)
        assert.is_true(rawequal(value, err))
      end)
    end)
  end)

  it("does not end a run with on_error = true", function()
    each_error(function(value)
      local went_on = run(function()
        kio.spawn(raise(value))
        kio.yield()
        kio.sleep(0)
        return true
      end, { on_error = true })
      assert.is_true(went_on)
    end)
  end)

  it("does not hide the error that came first", function()
    each_error(function(value)
      local ok, err = pcall(run, function()
        kio.scope(function(scope)
          scope:spawn(function()
            local _ <close> = setmetatable({}, { __close = raise(value) })
            kio.sleep(10)
          end)
          scope:spawn(raise "the first")
          kio.sleep(10)
        end)
      end)
      assert.is_false(ok)
      assert.matches("the first", err)
      assert.matches("and another task of its scope failed: ", err)
    end)
  end)

  it("does not hide a deadlock, nor an on_error function's own error", function()
    each_error(function(value)
      local ok, err = pcall(run, function()
        local _ <close> = setmetatable({}, { __close = raise(value) })
        kio.sync.event():wait()
      end)
      assert.is_false(ok)
      assert.matches("deadlock", err)
      ok, err = pcall(run, function()
        kio.spawn { raise "the first", on_error = raise(value) }
        kio.sleep(1)
      end)
      assert.is_false(ok)
      assert.matches("the first", err)
    end)
  end)

  it("crosses from a worker and from a blocking thread as some text", function()
    each_error(function(value)
      local meta = getmetatable(value)
      if not meta or type(meta.__tostring) ~= "function" then return end
      local code = [[error(setmetatable({}, { __tostring = function() error "no" end }))]]
      run(function()
        for _, spawn in ipairs { kio.thread.spawn, kio.spawn_blocking } do
          local task = spawn(function(text) load(text)() end, code)
          local ok, err = task:join()
          assert.is_false(ok)
          assert.matches("error object is a table value", tostring(err))
        end
      end)
    end)
  end)

  it("may be the reason of a scope's cancellation", function()
    each_error(function(value)
      run(function()
        local result, message, code = kio.scope(function(scope)
          scope:cancel(value)
          kio.sleep(1)
        end)
        assert.is_nil(result)
        assert.matches("^kio.scope: cancelled: ", message)
        assert.equal("ECANCELED", code)
      end)
    end)
  end)

  it("may be the name of an option, which is refused", function()
    each_error(function(value)
      run(function()
        for _, call in ipairs {
          function() kio.spawn { print, [value] = 1 } end,
          function() kio.sync.event():wait { [value] = 1 } end,
          function() kio.select { kio.sync.event(), [value] = 1 } end,
          function() kio.fs.open("/tmp", "r", { [value] = 1 }) end,
          function() kio.process.run { "true", [value] = 1 } end,
          function() kio.sync.semaphore(value) end,
        } do
          local ok, err = pcall(call)
          assert.is_false(ok)
          assert.is_true((err:find "bad argument" or err:find "unknown option") ~= nil, err)
        end
      end)
    end)
  end)

  it("does not end a server", function()
    each_error(function(value)
      run(function()
        local listener <close> = kio.net.listen "127.0.0.1:0"
        local server = kio.spawn(listener.serve, listener, raise(value), { on_error = true })
        for _ = 1, 2 do
          local client <close> = kio.net.connect(listener:address())
          assert.is_nil((client:recv()))
        end
        assert.equal("waiting", server:status())
        server:cancel()
        server:join()
      end)
    end)
  end)
end)
