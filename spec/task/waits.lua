-- Every kind of wait a task can be in, for the specs of cancellation and of timeouts. Each is a
-- function that prepares it and gives a table:
--   begin(options)  the call that waits; `options` only where `timed` is set
--   satisfy()       brings what it waits for (nil: nothing here can)
--   check(...)      asserts that these are the results of a call that was satisfied
--   close()         clears up
--   timed           it takes { timeout = }
--   once            it cannot be begun again after it was cut off
--   worker          a kernel thread does it: a timeout of 0 may cut it off before it has tried
local assert = require "luassert"
local kio = require "kio"

local waits = {}

local function close_all(...)
  for _, fd in ipairs { ... } do assert(kio.close(fd)) end
end

function waits.sleep()
  return { begin = function() kio.sleep(1000) end, close = function() end }
end

local function for_task(method)
  return function()
    local go = false
    local target = kio.spawn(function()
      while not go do kio.sleep(0.0005) end
      return "result"
    end)
    return {
      begin = function(options) return target[method](target, options) end,
      satisfy = function() go = true end,
      check = function(...)
        assert.equal("result", (select(method == "join" and 2 or 1, ...)))
      end,
      close = function()
        go = true
        target:join()
      end,
      timed = true,
      worker = true, -- like one: what it waits for takes its time
    }
  end
end
waits.await = for_task("await")
waits.join = for_task("join")

-- ---- bytes to come ----

-- `ends` makes a reading and a writing descriptor.
local function for_bytes(ends, begin, check)
  return function()
    local from, to = ends()
    return {
      begin = function(options) return begin(from, options) end,
      satisfy = function() assert.equal(5, kio.write(to, "bytes")) end,
      check = check or function(data) assert.equal("bytes", data) end,
      close = function() close_all(from, to) end,
      timed = true,
    }
  end
end

waits.read = for_bytes(kio.pipe, function(fd, options) return kio.read(fd, 10, options) end)
waits.readv = for_bytes(kio.pipe, function(fd, options)
  return kio.readv(fd, { 2, 10 }, options)
end, function(list) assert.same({ "by", "tes" }, list) end)
waits.recv = for_bytes(kio.socketpair, function(fd, options)
  return kio.recv(fd, 10, 0, options)
end)
waits.recvmsg = for_bytes(kio.socketpair, function(fd, options)
  return kio.recvmsg(fd, 10, options)
end)
waits.poll = for_bytes(kio.pipe, function(fd, options)
  return kio.poll(fd, "r", options)
end, function(events) assert.equal("r", events) end)

function waits.splice()
  local from, to = kio.pipe()
  local out, last = kio.pipe()
  return {
    begin = function(options) return kio.splice(from, nil, last, nil, 100, options) end,
    satisfy = function() assert.equal(5, kio.write(to, "bytes")) end,
    check = function(count)
      assert.equal(5, count)
      assert.equal("bytes", kio.read(out, 10))
    end,
    close = function() close_all(from, to, out, last) end,
    timed = true,
    worker = true,
  }
end

-- ---- room for bytes ----

local BLOCK = ("x"):rep(4096)

local function for_room(ends, begin)
  return function()
    local from, to = ends()
    repeat local count = kio.write(to, BLOCK, { timeout = 0 }) until not count
    return {
      begin = function(options) return begin(to, options) end,
      satisfy = function()
        repeat local data = kio.read(from, 1 << 20, { timeout = 0 }) until not data
      end,
      check = function(count) assert.equal(#BLOCK, count) end,
      close = function() close_all(from, to) end,
      timed = true,
    }
  end
end

local function pipe() return kio.pipe() end
local function sockets() return kio.socketpair() end

waits.write = for_room(pipe, function(fd, options) return kio.write(fd, BLOCK, options) end)
waits.writev = for_room(pipe, function(fd, options) return kio.writev(fd, { BLOCK }, options) end)
waits.send = for_room(sockets, function(fd, options) return kio.send(fd, BLOCK, 0, options) end)
waits.sendmsg = for_room(sockets, function(fd, options) return kio.sendmsg(fd, BLOCK, options) end)

-- ---- connections ----

local unix_name = require "spec.unix_name"

function waits.accept()
  local fd, name, client = kio.socket("unix"), unix_name(), nil
  assert(kio.bind(fd, name))
  assert(kio.listen(fd))
  return {
    begin = function(options) return kio.accept(fd, options) end,
    satisfy = function()
      client = kio.socket("unix")
      assert(kio.connect(client, name))
    end,
    check = function(accepted) close_all(accepted, client) end,
    close = function() close_all(fd) end,
    timed = true,
  }
end

waits["listener:accept"] = function()
  local listener = assert(kio.net.listen("127.0.0.1:0"))
  local client
  return {
    begin = function(options) return listener:accept(options) end,
    satisfy = function() client = assert(kio.net.connect(listener:address())) end,
    check = function(accepted)
      assert(accepted:close())
      assert(client:close())
    end,
    close = function() assert(listener:close()) end,
    timed = true,
  }
end

-- A listener whose queue is full: connecting to it waits until somebody accepts.
function waits.connect()
  local fd, name, clients = kio.socket("unix"), unix_name(), {}
  assert(kio.bind(fd, name))
  assert(kio.listen(fd, 0))
  clients[1] = kio.socket("unix")
  assert(kio.connect(clients[1], name))
  clients[2] = kio.socket("unix")
  return {
    begin = function(options) return kio.connect(clients[2], name, options) end,
    satisfy = function() clients[3] = assert(kio.accept(fd)) end,
    check = function(ok) assert.is_true(ok) end,
    close = function() close_all(fd, table.unpack(clients)) end,
    timed = true,
    worker = true,
  }
end

waits["net.connect"] = function()
  local listener = assert(kio.net.listen("127.0.0.1:0", { backlog = 0 }))
  local clients, task = {}, nil
  while not task or task:status() ~= "waiting" do -- what finds room connects at once
    clients[#clients + 1] = kio.socket("tcp4")
    task = kio.spawn(kio.connect, clients[#clients], listener:address())
    for _ = 1, 10 do kio.yield() end
  end
  task:cancel()
  task:join()
  return {
    begin = function(options) return kio.net.connect(listener:address(), options) end,
    close = function()
      listener:close()
      close_all(table.unpack(clients))
    end,
    timed = true,
  }
end

require "spec.task.stream_waits" (waits, unix_name)

return waits
