-- The clock of kio.testing: it jumps where the loop would sleep, over the real ring too. Starts
-- programs, which ThreadSanitizer does not survive.
-- flavours: test asan hostile
local kio = require "kio"
local support = require "spec.support"
local common = require "spec.task.common"

local testing = kio.testing
local DAY = 24 * 3600

for _, backend in ipairs { "uring", "sim" } do
  describe("the virtual clock over " .. backend, function()
    local function run(f, opts)
      opts = opts or {}
      opts.backend = backend
      opts.timeout = opts.timeout or 1000 * DAY
      return testing.run(f, opts)
    end

    it("jumps over a year of sleep", function()
      local slept = run(function()
        local start = kio.now()
        kio.sleep(365 * DAY)
        return kio.now() - start
      end)
      assert.is_true(slept >= 365 * DAY and slept < 365 * DAY + 1, slept)
    end)

    it("wakes sleepers in the order of their deadlines", function()
      local order = run(function()
        local order, tasks = {}, {}
        for i, days in ipairs { 5, 1, 4, 2, 3 } do
          tasks[i] = kio.spawn(function()
            kio.sleep(days * DAY)
            order[#order + 1] = days
          end)
        end
        for _, task in ipairs(tasks) do task:await() end
        return order
      end)
      assert.same({ 1, 2, 3, 4, 5 }, order)
    end)

    it("lets an operation time out without waiting for it", function()
      local code, took = run(function()
        local a, b = kio.socketpair()
        local start = kio.now()
        local _, _, code = kio.recv(a, 10, 0, { timeout = DAY })
        local took = kio.now() - start
        kio.close(a)
        kio.close(b)
        return code, took
      end)
      assert.equal("ETIMEDOUT", code)
      assert.is_true(took >= DAY and took < DAY + 1, took)
    end)

    it("lets a scope time out", function()
      run(function()
        local event = kio.sync.event()
        local value, _, code = kio.timeout(DAY, event.wait, event)
        assert.is_nil(value)
        assert.equal("ETIMEDOUT", code)
      end)
    end)

    it("does not jump over what is on its way", function()
      run(function()
        local near, far = common.stream_pair()
        near:set_timeout(0.001)
        far:set_timeout(0.001)
        local echo = kio.spawn(function()
          for _ = 1, 50 do far:write((far:read(5))) end
        end)
        for i = 1, 50 do
          local text = ("%05d"):format(i)
          near:write(text)
          assert.equal(text, near:read(5))
        end
        echo:await()
        near:close()
        far:close()
      end)
    end)

    it("does not jump over work on files", function()
      run(function()
        local path = support.tmpdir() .. "/file"
        local data = ("0123456789abcdef"):rep(1 << 16)
        kio.timeout(0.001, function() assert(kio.fs.write_file(path, data)) end)
        assert.equal(data, kio.timeout(0.001, kio.fs.read_file, path))
      end)
    end)

    it("does not jump over what the kernel will complete by itself, however late", function()
      run(function()
        local path = support.tmpdir() .. "/file"
        local fd = assert(kio.openat(nil, path, kio.const.O_RDWR | kio.const.O_CREAT))
        for i = 1, 20 do
          kio.pwrite(fd, ("x"):rep(1 << 16), i << 16)
          assert.is_true(kio.fsync(fd, { timeout = 0.001 }))
        end
        kio.close(fd)
      end, { settle = 0 })
    end)

    it("creeps under a loop that looks at it", function()
      run(function()
        local due = kio.now() + 0.001
        while kio.now() < due do kio.yield() end
      end)
    end)

    it("gives the same moments in each run", function()
      local function moments()
        return run(function()
          local list = {}
          for i = 1, 20 do
            kio.sleep(i / 7)
            list[i] = kio.now()
          end
          return list
        end, { seed = 1 })
      end
      assert.same(moments(), moments())
    end)
  end)
end

describe("the real clock", function()
  it("is there when asked for", function()
    testing.run(function()
      local start = os.time()
      kio.sleep(1.1)
      assert.is_true(os.time() > start)
    end, { clock = "real", timeout = 50 })
  end)
end)

describe("the virtual clock", function()
  it("waits for whom `settle` gives the time", function()
    local path = support.tmpdir() .. "/fifo"
    assert(os.execute("mkfifo " .. path))
    local function read(settle)
      return testing.run(function()
        local fd = assert(kio.openat(nil, path, kio.const.O_RDWR))
        assert(os.execute("(sleep 0.3; echo x > " .. path .. ") &"))
        local text, _, code = kio.read(fd, 10, { timeout = 1 })
        if not text then kio.read(fd, 10) end -- the writer must not outlive its reader
        kio.close(fd)
        return text or code
      end, { settle = settle, timeout = math.huge })
    end
    assert.equal("x\n", read(50))
    assert.equal("ETIMEDOUT", read(0))
  end)

  it("ends with its run", function()
    testing.run(function() kio.sleep(30) end)
    local start = kio.now()
    support.run(function() assert.is_true(kio.now() - start < 30) end)
  end)
end)
