-- Without descriptors: who accepts waits in pauses that get longer, and is woken as soon as one is
-- free. The errors are injected and the clock jumps, so that attempts and moments are exact.
local kio = require "kio"
local support = require "spec.support"
local common = require "spec.net.serve.common"

local run = kio.testing.run

local function attempts() return kio.stats().ops.accept or 0 end

-- Both ways to accept for ever; each gives the task and the listener, and answers "served".
local loops = {
  accepts = function()
    local listener = assert(kio.net.listen "127.0.0.1:0")
    return kio.spawn(function()
      for stream in listener:accepts() do
        stream:write "served"
        stream:close()
      end
    end), listener
  end,
  serve = function() return common.start(function(stream) stream:write "served" end) end,
}

describe("without descriptors, HTTP", function()
  local http = require "kio.http"
  local GET = "GET /%s HTTP/1.1\r\nHost: a\r\n\r\n"

  local function answer(stream)
    local length = assert(stream:read_until "\r\n\r\n"):match "Content%-Length: (%d+)"
    return stream:read(tonumber(length))
  end

  it("ends who only waits for a next request, and nobody else", function()
    local faults = {}
    for nth = 17, 100 do faults[#faults + 1] = { op = "accept", nth = nth, error = "EMFILE" } end
    run(function()
      local listener = assert(kio.net.listen "127.0.0.1:0")
      local serving = kio.spawn(http.serve, listener, function(req)
        kio.sleep(tonumber(req.path:sub(2)))
        return "served"
      end)
      local idle <close> = common.client(listener:address())
      local busy <close> = common.client(listener:address())
      idle:send(GET:format(0))
      assert.equal("served", answer(idle))
      busy:send(GET:format(20)) -- the server needs an accept more, which fails from now on
      local before = kio.now()
      assert.is_nil((idle:recv()))
      assert.is_true(kio.now() - before < 10)
      assert.equal("served", answer(busy))
      listener:close()
      serving:await()
    end, { faults = faults })
  end)
end)

for name, start in pairs(loops) do
  describe("without descriptors, " .. name, function()
    for _, code in ipairs { "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM" } do
      it("pauses after " .. code .. ": 5 ms, doubling to a second", function()
        run(function()
          local faults = kio.testing.faults { { op = "accept", error = code } }
          local looping, listener = start()
          kio.sleep(11.5)
          -- 0, 5, 15, 35, 75, 155, 315, 635 and 1275 ms, then once a second; serve's other
          -- accepts, which were under way as well, wait for the one that tries
          assert.equal(9 + 10 + (name == "serve" and 15 or 0), attempts())
          faults:clear()
          local stream <close> = common.client(listener:address())
          assert.equal("served", stream:read "a")
          listener:close()
          looping:await()
        end)
      end)
    end

    -- Ways to let go of a descriptor: each returns one that does it.
    local ways = {
      ["a stream closes"] = function()
        local other <close> = assert(kio.net.listen "127.0.0.1:0")
        local stream = common.client(other:address())
        return function() stream:close() end
      end,
      ["a stream is collected"] = function()
        local other <close> = assert(kio.net.listen "127.0.0.1:0")
        local stream = common.client(other:address())
        return function()
          assert(stream:fd())
          stream = nil
          collectgarbage()
          collectgarbage()
        end
      end,
      ["a number is closed"] = function()
        local fd = kio.socket "tcp4"
        return function() kio.close(fd) end
      end,
      ["a file closes"] = function()
        local file = assert(kio.fs.open "/dev/null")
        return function() file:close() end
      end,
      ["a listener closes"] = function()
        local other = assert(kio.net.listen "127.0.0.1:0")
        return function() other:close() end
      end,
      ["a connection is refused"] = function()
        local address = "127.0.0.1:" .. support.free_port()
        return function() assert(not kio.net.connect(address)) end
      end,
    }
    for what, way in pairs(ways) do
      it("goes on at once when " .. what, function()
        run(function()
          local let_go = way()
          local faults = kio.testing.faults { { op = "accept", error = "EMFILE" } }
          local looping, listener = start()
          kio.sleep(11.5)
          local stream <close> = common.client(listener:address())
          faults:clear()
          local before = kio.now()
          let_go()
          assert.equal("served", stream:read "a")
          assert.is_true(kio.now() - before < 0.4, "it waited for the end of its pause")
          listener:close()
          looping:await()
        end)
      end)
    end

    it("pauses as long as before when another was faster", function()
      run(function()
        local faults = kio.testing.faults { { op = "accept", error = "EMFILE" } }
        local looping, listener = start()
        kio.sleep(11.5)
        local before = attempts()
        for _ = 1, 100 do kio.close(kio.socket "tcp4") end
        kio.yield()
        local woken = attempts() - before
        assert.is_true(woken >= 1 and woken <= 101, woken)
        before = attempts()
        kio.sleep(10)
        assert.is_true(attempts() - before <= 10, attempts() - before)
        faults:clear()
        listener:close()
        looping:await()
      end)
    end)

    it("ends when its listener is closed", function()
      run(function()
        kio.testing.faults { { op = "accept", error = "EMFILE" } }
        local looping, listener = start()
        kio.sleep(11.5)
        local before = kio.now()
        listener:close()
        looping:await()
        assert.is_true(kio.now() - before < 0.4)
      end)
    end)

    it("ends when it is cancelled", function()
      run(function()
        kio.testing.faults { { op = "accept", error = "EMFILE" } }
        local looping, listener = start()
        kio.sleep(11.5)
        looping:cancel()
        looping:join()
        listener:close()
      end)
    end)
  end)
end
