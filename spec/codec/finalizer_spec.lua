-- Finalizers that run while something is packed, as each of Lua's allocations may have them run:
-- they close what is about to move, load modules, and stop the runtime that is about to be used.
local kio = require "kio"
local support = require "spec.support"

local ROUNDS <const> = 12

local at_moment = support.at_moment

describe("a finalizer that runs while a handle is packed", function()
  local listener
  local makers = {
    ["kio.Buffer"] = function() return kio.buffer(100) end,
    ["kio.Listener"] = function() return assert(kio.net.listen "127.0.0.1:0") end,
    ["kio.Udp"] = function() return assert(kio.net.udp "127.0.0.1:0") end,
    ["kio.Stream"] = function()
      assert(kio.net.connect(listener:address())):close()
      return assert(listener:accept())
    end,
  }

  it("and closes it has the message refused, or is too late", function()
    kio.run(function()
      listener = assert(kio.net.listen "127.0.0.1:0")
      for kind, make in pairs(makers) do
        local refusal
        for n = 1, ROUNDS do
          local handle, channel = make(), kio.thread.channel(1)
          local message = { handle }
          for _, f in pairs(string) do -- names and handles in turn, which take Lua's memory
            message[#message + 1], message[#message + 2] = kio.thread.event(), f
          end
          local function close() handle:close() end
          local ok, err = at_moment(n, close, channel.try_send, channel, message)
          if ok then channel:receive()[1]:close() else refusal = err end
          handle:close()
        end
        assert.equal("a handle was closed while it was packed: it is closed", refusal, kind)
      end
      listener:close()
    end)
  end)

  it("and loads a module with many functions is harmless", function()
    kio.run(function()
      local channel, module = kio.thread.channel(1), { f = print }
      for n = 1, ROUNDS do
        package.loaded["spec.before"] = { f = function() end } -- all are looked through again
        local message = { print, kio.sleep, { string.format } }
        local function load_one()
          for i = 1, 5000 do module["f" .. i] = function() end end
          package.loaded["spec.before"] = nil
          package.loaded["spec.meanwhile"] = module
        end
        assert.is_true(at_moment(n, load_one, channel.try_send, channel, message))
        assert.same(message, channel:receive())
        package.loaded["spec.before"], package.loaded["spec.meanwhile"] = nil, nil
      end
    end)
  end)
end)

describe("a finalizer that stops a runtime", function()
  it("while block_on packs has it raise, or is too late", function()
    local raised = 0
    for n = 1, ROUNDS do
      local runtime <close> = assert(kio.runtime { threads = 1 })
      local function stop() runtime:stop() end
      local ok, err = at_moment(n, stop, runtime.block_on, runtime, select, "#", { print }, pairs)
      if not ok then
        assert.matches("the runtime has been stopped", err)
        raised = raised + 1
      end
    end
    assert.is_true(raised > 0)
  end)
end)
