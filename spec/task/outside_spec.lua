-- Operations where they cannot work: outside a task, and where Lua cannot yield.
local kio = require "kio"
local support = require "spec.support"
local common = require "spec.task.common"
local run = support.run

local function call(f, ...)
  local list = table.pack(...)
  list.f = f
  return list
end

local function nothing() end

-- Calls that would be good in a task. `fd` is never touched.
local function operations(fd)
  local list = {
    read = call(kio.read, fd, 1), pread = call(kio.pread, fd, 1, 0),
    read_into = call(kio.read_into, fd, kio.buffer(1)),
    pread_into = call(kio.pread_into, fd, kio.buffer(1), 1, 1, 0),
    readv = call(kio.readv, fd, { 1 }), preadv = call(kio.preadv, fd, { 1 }, 0),
    write = call(kio.write, fd, "x"), pwrite = call(kio.pwrite, fd, "x", 0),
    writev = call(kio.writev, fd, { "x" }), pwritev = call(kio.pwritev, fd, { "x" }, 0),
    fsync = call(kio.fsync, fd), fdatasync = call(kio.fdatasync, fd),
    fallocate = call(kio.fallocate, fd, 0, 0, 1), ftruncate = call(kio.ftruncate, fd, 0),
    splice = call(kio.splice, fd, nil, fd, nil, 1),
    openat = call(kio.openat, nil, "/", kio.const.O_RDONLY),
    unlinkat = call(kio.unlinkat, nil, "no/such"), mkdirat = call(kio.mkdirat, nil, "no/such"),
    renameat = call(kio.renameat, nil, "no/such", nil, "no/such"),
    statx = call(kio.statx, nil, "/"),
    accept = call(kio.accept, fd), connect = call(kio.connect, fd, "127.0.0.1:1"),
    recv = call(kio.recv, fd, 1), send = call(kio.send, fd, "x"),
    recvmsg = call(kio.recvmsg, fd, 1), sendmsg = call(kio.sendmsg, fd, "x"),
    shutdown = call(kio.shutdown, fd), poll = call(kio.poll, fd, "r"),
    close = call(kio.close, fd), cancel = call(kio.cancel, fd),
    sleep = call(kio.sleep, 0), yield = call(kio.yield), spawn = call(kio.spawn, nothing),
    scope = call(kio.scope, nothing), shield = call(kio.shield, nothing),
    timeout = call(kio.timeout, 1, nothing), deadline = call(kio.deadline, 1, nothing),
    read_exactly = call(kio.read_exactly, fd, 1), write_all = call(kio.write_all, fd, "x"),
    pread_exactly = call(kio.pread_exactly, fd, 1, 0),
    pwrite_all = call(kio.pwrite_all, fd, "x", 0),
    sendfile = call(kio.sendfile, fd, fd, 0, 1),
    ["net.connect"] = call(kio.net.connect, "127.0.0.1:1"),
  }
  for _, name in ipairs { "open", "stat", "lstat", "unlink", "mkdir", "rmdir", "read_file" } do
    list["fs." .. name] = call(kio.fs[name], "no/such")
  end
  list["fs.rename"] = call(kio.fs.rename, "no/such", "no/such")
  list["fs.write_file"] = call(kio.fs.write_file, "no/such", "x")
  return list
end

-- What needs no task: it never waits.
local FREE = {
  run = true, runtime = true, buffer = true,
  now = true, is_cancelled = true, check = true, stats = true, tasks = true,
  socket = true, socketpair = true, pipe = true, bind = true, listen = true,
  getsockname = true, getpeername = true,
  stream = true, stdin = true, stdout = true, stderr = true, traceback = true, pool = true,
}

local function add_methods(list, kind, object, arguments)
  for name, args in pairs(arguments) do
    list[kind .. ":" .. name] = call(object[name], object, table.unpack(args))
  end
end

-- Handles made in a task: stream, listener and task, and how to get rid of them.
local function handles()
  local near, far, listener, task
  kio.run(function()
    near, far = common.stream_pair()
    listener = assert(kio.net.listen("127.0.0.1:0"))
    task = kio.spawn(nothing)
  end)
  local list = {}
  add_methods(list, "stream", near, {
    recv = {}, write = { "x" }, send = { "x" }, flush = {}, shutdown = {}, read = { "l" },
    read_until = { "x" }, peek = { 1 },
  })
  add_methods(list, "listener", listener, { accept = {} })
  add_methods(list, "task", task, { await = {}, join = {} })
  list["listener:accepts"] = call(listener:accepts())
  return list, function()
    near:close()
    far:close()
    listener:close()
  end
end

describe("an operation outside a task", function()
  local WORDS = "operation outside a task: call it in a function run by kio.run"

  local function must_have_raised(name, ok, message)
    assert(not ok, name .. " did not raise")
    assert(message:find(WORDS, 1, true), name .. ": " .. message)
  end

  local function check(list)
    for name, good in pairs(list) do
      must_have_raised(name, pcall(good.f, table.unpack(good, 1, good.n)))
    end
  end

  it("raises, all of kio", function()
    local from, to = kio.pipe()
    check(operations(from))
    for _, fd in ipairs { from, to } do assert.is_true(kio.core.own.close_now(fd)) end
  end)

  it("raises, all methods", function()
    local list, close = handles()
    check(list)
    close()
  end)

  it("raises in a coroutine as well", function()
    local from, to = kio.pipe()
    local list = operations(from)
    for name, good in pairs(list) do
      local co = coroutine.create(good.f)
      must_have_raised(name, coroutine.resume(co, table.unpack(good, 1, good.n)))
      coroutine.close(co)
    end
    for _, fd in ipairs { from, to } do assert.is_true(kio.core.own.close_now(fd)) end
  end)

  -- Functions that are not listed above are tried with arguments of the usual kinds.
  it("raises, whatever else kio has", function()
    local tries = {
      {}, { nothing }, { { nothing } }, { { 1 }, nothing }, { 1, nothing }, { 0, 1 }, { "x" },
      { "x", "x" }, { { kio.sync.channel(1) } }, { { { kio.sync.channel(1), "receive" } } },
    }
    local list, silent = operations(0), {}
    for name, f in pairs(kio) do
      local raised = list[name] or FREE[name] or type(f) ~= "function"
      for _, args in ipairs(tries) do
        local ok, message = pcall(function()
          if raised then return end
          local results = f(table.unpack(args))
          return type(results) == "function" and results() -- an iterator
        end)
        raised = raised or not ok and tostring(message):find(WORDS, 1, true)
      end
      if not raised then silent[#silent + 1] = name end
    end
    assert.same({}, silent) -- those belong into `operations` or into FREE above
  end)

  it("is told of kio.stats in its own words", function()
    support.expect_error("kio%.stats outside kio%.run", kio.stats)
  end)
end)

-- Ways to be where Lua cannot yield, each of which calls f.
local STUCK = {
  ["table.sort"] = function(f) table.sort({ 1, 2 }, f) end,
  ["string.gsub"] = function(f) return ("x"):gsub("x", f) end,
  ["tostring"] = function(f) return tostring(setmetatable({}, { __tostring = f })) end,
  ["require"] = function(f)
    package.preload["kio.spec.stuck"] = f
    local ok, message = pcall(require, "kio.spec.stuck")
    package.preload["kio.spec.stuck"], package.loaded["kio.spec.stuck"] = nil, nil
    if not ok then error(message, 0) end
  end,
  ["load"] = function(f) return assert(load(f)) end,
  ["table.concat"] = function(f)
    return table.concat(setmetatable({}, { __index = f, __len = function() return 1 end }))
  end,
  ["coroutine.close"] = function(f)
    local co = coroutine.create(function()
      local _ <close> = setmetatable({}, { __close = f })
      coroutine.yield()
    end)
    coroutine.resume(co)
    local ok, message = coroutine.close(co)
    if not ok then error(message, 0) end
  end,
}

describe("where Lua cannot yield", function()
  local WORDS = "operation where Lua cannot yield (within table.sort, string.gsub, require"

  for name, enter in pairs(STUCK) do
    it("every operation raises: " .. name, function()
      run(function()
        local from, to = kio.pipe()
        local list = operations(from)
        -- these never wait, or are not refused there
        list.cancel, list.spawn = nil, nil
        for what, good in pairs(list) do
          local ok, message = pcall(enter, function()
            return good.f(table.unpack(good, 1, good.n))
          end)
          assert(not ok, what .. " went through")
          message = tostring(message)
          assert(message:find(WORDS, 1, true), what .. ": " .. message)
        end
        assert.equal(0, kio.stats().pending)
        kio.sleep(0) -- and afterwards all is well
        kio.close(from)
        kio.close(to)
      end)
    end)

    it("so does one in a generator that is resumed there: " .. name, function()
      run(function()
        local items = {}
        local generator = coroutine.wrap(function()
          coroutine.yield("plain")
          items[1] = select(2, pcall(kio.sleep, 0))
          coroutine.yield("plain")
          kio.sleep(0)
          coroutine.yield("waited")
        end)
        pcall(enter, function() items[2] = generator() end)
        pcall(enter, function() items[3] = generator() end)
        assert.equal("plain", items[2])
        assert.equal("plain", items[3])
        assert(items[1]:find(WORDS, 1, true), items[1])
        assert.equal("waited", generator()) -- out here it may wait
      end)
    end)

    it("closing needs no waiting: " .. name, function()
      run(function()
        local near, far = common.stream_pair()
        local listener = assert(kio.net.listen("127.0.0.1:0"))
        near:write("farewell")
        pcall(enter, function()
          assert.is_true(near:close())
          assert.is_true(listener:close())
        end)
        assert.equal("farewell", far:read("a"))
        assert.is_nil(listener:fd())
        far:close()
      end)
    end)
  end

  it("finalizers are among those places", function()
    run(function()
      local message
      setmetatable({}, { __gc = function()
        message = select(2, pcall(kio.sleep, 0))
      end })
      collectgarbage()
      assert(message:find(WORDS, 1, true), message)
    end)
  end)
end)
