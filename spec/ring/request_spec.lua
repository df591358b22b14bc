-- Requests seen from above: what is counted, what a cancelled task may not start, what becomes of
-- results that come too late. On both rings where the kernel can be made to show it, else on the
-- simulated one.
local kio = require "kio"
local lfs = require "lfs"
local support = require "spec.support"

local core = kio.core

local function each_ring(name, f)
  for _, backend in ipairs { "uring", "sim" } do
    it(name .. ", on " .. backend, function() support.run(f, { backend = backend }) end)
  end
end

local function sim(script, f, options)
  options = options or {}
  options.backend = "sim"
  core.sim(script)
  return support.run(f, options)
end

local function yield_some()
  for _ = 1, 3 do kio.yield() end
end

-- The numbers of this process's descriptors, as one string.
local function descriptors()
  local list = {}
  for fd = 0, 255 do
    local file = io.open("/proc/self/fdinfo/" .. fd)
    if file then
      file:close()
      list[#list + 1] = fd
    end
  end
  return table.concat(list, " ")
end

local function file_path()
  local path = support.tmpdir() .. "/file"
  local file <close> = assert(io.open(path, "w"))
  file:write("some text")
  return path
end

describe("pending", function()
  each_ring("counts what is queued or in flight, and no cancel (R4)", function()
    local a, b = kio.socketpair()
    local readers = {}
    for i = 1, 10 do readers[i] = kio.spawn(kio.recv, a, 1) end
    yield_some()
    assert.equal(10, kio.stats().pending)
    local ignored = kio.stats().ignored
    for i = 1, 4 do readers[i]:cancel() end
    for i = 1, 4 do readers[i]:join() end
    assert.equal(6, kio.stats().pending)
    assert.equal(ignored + 4, kio.stats().ignored)
    assert.equal(6, kio.cancel(a))
    for i = 5, 10 do assert.equal("ECANCELED", select(3, readers[i]:await())) end
    assert.equal(0, kio.stats().pending)
    kio.close(a)
    kio.close(b)
  end)
end)

describe("a cancelled task", function()
  -- Every operation with arguments that would do something; `add` takes a name and a function.
  local function operations(add)
    local c, dir = kio.const, support.tmpdir()
    local path = dir .. "/file"
    local fd = assert(kio.openat(nil, path, c.O_RDWR | c.O_CREAT))
    local a, b = kio.socketpair()
    local r, w = kio.pipe()
    local server = assert(kio.net.listen("127.0.0.1:0"))
    local raw = assert(kio.socket("tcp4"))
    local accepted = kio.spawn(server.accept, server)
    local stream = assert(kio.net.connect(server:address()))
    local other = accepted:await()
    kio.send(b, "waiting")
    local calls = {
      read = { fd, 1 }, write = { fd, "x" }, pread = { fd, 1, 0 }, pwrite = { fd, "x", 0 },
      readv = { fd, { 1 } }, writev = { fd, { "x" } }, preadv = { fd, { 1 }, 0 },
      pwritev = { fd, { "x" }, 0 }, fsync = { fd }, fdatasync = { fd },
      fallocate = { fd, 0, 0, 100 }, ftruncate = { fd, 100 }, splice = { r, nil, w, nil, 1 },
      openat = { nil, dir .. "/new", c.O_CREAT }, unlinkat = { nil, path },
      mkdirat = { nil, dir .. "/sub" }, renameat = { nil, path, nil, dir .. "/moved" },
      statx = { nil, path }, accept = { server:fd() }, connect = { raw, server:address() },
      recv = { a, 1 }, send = { a, "x" }, sendmsg = { a, "x" }, recvmsg = { a, 1 },
      shutdown = { a }, poll = { a, "r" }, sleep = { 0 }, yield = {},
    }
    for name, arguments in pairs(calls) do
      add(name, function() return kio[name](table.unpack(arguments, 1, 6)) end)
    end
    add("net.connect", function() return kio.net.connect(server:address()) end)
    add("listener:accept", function() return server:accept() end)
    add("stream:recv", function() return stream:recv() end)
    add("stream:write", function() return stream:write("x") end)
    add("stream:send", function() return stream:send("x") end)
    add("stream:flush", function() return stream:flush() end)
    add("stream:shutdown", function() return stream:shutdown() end)
    add("spawn", function() return kio.spawn(print, "never") end)
    return function()
      for _, handle in ipairs { stream, other, server } do handle:close() end
      for _, n in ipairs { fd, a, b, r, w, raw } do kio.close(n) end
      for name in lfs.dir(dir) do assert.matches("^%.*$", (name:gsub("^file$", ""))) end
    end
  end

  -- Calls each; none may do anything but raise Cancelled, and none may reach the ring.
  local function try_all(list)
    local before, tried = kio.stats(), {}
    for _, operation in ipairs(list) do
      local ok, err = pcall(operation.call)
      tried[operation.name] = not ok and kio.is_cancelled(err) or { ok, err }
    end
    local after = kio.stats()
    return tried, before.ops, after.ops, after.pending - before.pending
  end

  local function check(list, tried, before, after, pending)
    assert.is_true(#list > 30)
    for _, operation in ipairs(list) do
      assert.equal(true, tried[operation.name], operation.name)
    end
    assert.same(before, after)
    assert.equal(0, pending)
  end

  each_ring("reaches no ring with any operation (R14)", function()
    local list, results = {}, nil
    local clean = operations(function(name, call)
      list[#list + 1] = { name = name, call = call }
    end)
    local task = kio.spawn(function()
      pcall(kio.sleep, 1000)
      results = table.pack(try_all(list))
    end)
    yield_some()
    task:cancel()
    task:join()
    check(list, table.unpack(results))
    clean()
  end)

  for _, backend in ipairs { "uring", "sim" } do
    it("also when the whole run is ending (R14), on " .. backend, function()
      local list, results, clean = {}, nil, nil
      support.expect_error("it ends here", support.run, function()
        clean = operations(function(name, call)
          list[#list + 1] = { name = name, call = call }
        end)
        kio.spawn(function()
          pcall(kio.sleep, 1000)
          results = table.pack(try_all(list))
        end)
        yield_some()
        error("it ends here")
      end, { backend = backend })
      check(list, table.unpack(results))
      support.run(clean)
    end)
  end
end)

describe("a second completion", function()
  it("is dropped, whoever has the slot by then (R23)", function()
    local stats = sim({ { twice = true } }, function()
      local a, b = kio.socketpair()
      for i = 1, 50 do
        assert.equal(1, kio.send(a, string.char(i)))
        assert.equal(string.char(i), kio.recv(b, 100))
      end
      kio.close(a)
      kio.close(b)
      return kio.stats()
    end)
    assert.is_true(stats.stale >= 100, stats.stale)
    assert.equal(0, stats.pending)
  end)

  it("does not end what the next tenant of the slot waits for (R23)", function()
    sim({ { op = "send", twice = true } }, function()
      local a, b = kio.socketpair()
      local idle, far = kio.socketpair()
      local waiters = {}
      for i = 1, 20 do
        assert.equal(1, kio.send(a, "x"))
        waiters[i] = kio.spawn(kio.recv, idle, 1) -- in the slot that has just become free
        yield_some()
        assert.equal("waiting", waiters[i]:status())
      end
      assert.equal(20, kio.stats().stale)
      assert.equal(20, kio.cancel(idle))
      for i = 1, 20 do assert.equal("ECANCELED", select(3, waiters[i]:await())) end
      for _, fd in ipairs { a, b, idle, far } do kio.close(fd) end
    end)
  end)
end)

describe("a buffer", function()
  -- The quarantine is looked through when the run ends; a byte written late stops the process.
  each_ring("is the kernel's until the last completion, also of a cancelled read (R22)", function()
    local a, b = kio.socketpair()
    local r, w = kio.pipe()
    for round = 1, 50 do
      local readers = {}
      for i = 1, 4 do
        readers[#readers + 1] = kio.spawn(kio.recv, a, 4000 * i)
        readers[#readers + 1] = kio.spawn(kio.read, r, 300 * i)
        readers[#readers + 1] = kio.spawn(kio.readv, r, { 100 * i, 7 })
      end
      yield_some()
      for _, reader in ipairs(readers) do reader:cancel() end
      if round % 2 == 0 then yield_some() end
      kio.send(b, ("s"):rep(round))
      kio.write(w, ("p"):rep(round))
      for i, reader in ipairs(readers) do
        reader:join()
        readers[i] = false
      end
      collectgarbage()
    end
    assert.equal(0, kio.stats().buffers)
    for _, fd in ipairs { a, b, r, w } do kio.close(fd) end
  end)
end)

describe("a descriptor that nobody receives (R26)", function()
  -- Runs until `start` has been called and what it asked for has happened, and fails then: the
  -- result comes after the tasks are gone.
  local function cut_off(op, start)
    local closers = {}
    support.expect_error("enough", function()
      sim({ { op = op, delay = 5 } }, function()
        local before = descriptors()
        closers = table.pack(start())
        yield_some()
        assert.not_equal(before, descriptors())
        error("enough")
      end, { shutdown_timeout = 3 })
    end)
    for _, handle in ipairs(closers) do handle:close() end
  end

  it("is closed when an open succeeds after its task is gone", function()
    local path, before = file_path(), descriptors()
    cut_off("open", function() kio.spawn(kio.openat, nil, path, kio.const.O_RDONLY) end)
    assert.equal(before, descriptors())
  end)

  it("is closed when an accept succeeds after its task is gone", function()
    local before = descriptors()
    cut_off("accept", function()
      local listener = assert(kio.net.listen("127.0.0.1:0"))
      kio.spawn(listener.accept, listener)
      return listener, assert(kio.net.connect(listener:address()))
    end)
    assert.equal(before, descriptors())
  end)

  it("is closed when a connect succeeds after its task is gone", function()
    local before = descriptors()
    cut_off("connect", function()
      local listener = assert(kio.net.listen("127.0.0.1:0"))
      kio.spawn(kio.net.connect, listener:address())
      return listener
    end)
    assert.equal(before, descriptors())
  end)
end)

describe("a success that comes after its cancel", function()
  it("is given to the task, which then is told of the cancel", function()
    local path = file_path()
    sim({ { op = "open", delay = 5 }, { op = "accept", delay = 5 } }, function()
      local listener = assert(kio.net.listen("127.0.0.1:0"))
      local client = assert(kio.net.connect(listener:address()))
      local fd, stream
      local tasks = {
        kio.spawn(function()
          fd = assert(kio.openat(nil, path, kio.const.O_RDONLY))
          kio.yield()
        end),
        kio.spawn(function()
          stream = assert(listener:accept())
          stream:recv()
        end),
      }
      yield_some()
      for _, task in ipairs(tasks) do task:cancel() end
      for _, task in ipairs(tasks) do
        task:join()
        assert.equal("cancelled", task:status())
      end
      assert.is_true(kio.close(fd))
      assert.is_true(stream:close())
      client:close()
      listener:close()
    end)
  end)

  each_ring("loses no connection", function()
    local listener = assert(kio.net.listen("127.0.0.1:0"))
    local accepted = 0
    local function accept()
      local stream = listener:accept()
      if stream then
        accepted = accepted + 1
        stream:close()
      end
    end
    for i = 1, 100 do
      local accepter = kio.spawn(accept)
      if i % 3 == 0 then kio.yield() end
      local client = kio.spawn(kio.net.connect, listener:address())
      if i % 2 == 0 then kio.yield() end
      accepter:cancel()
      accepter:join()
      client:await():close()
    end
    while accepted < 100 do accept() end
    local _, _, code = listener:accept { timeout = 0 }
    assert.equal("ETIMEDOUT", code)
    listener:close()
  end)
end)
