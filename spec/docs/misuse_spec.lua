-- Misuse points at the line that did it: an argument error raised through functions of kio's own
-- cites the caller's file and line, and the name that the caller has used.
local kio = require "kio"
local support = require "spec.support"

local fs, net, process, signal, sync, thread = kio.fs, kio.net, kio.process, kio.signal, kio.sync,
  kio.thread
local TEXT, NUMBER, BOOL, FUNCTION, TABLE = "text", 5, true, print, {}
local BAD = { timeout = "soon" }
local UNKNOWN = { no_such_option = 1 }

-- What is in use: file, stream, udp, listener, buffer, child, watch, mutex ...
local function open()
  local path = support.tmpdir() .. "/file"
  local it = { path = path, file = assert(fs.open(path, "w+")), buffer = kio.buffer(10) }
  local near, far = assert(kio.socketpair "stream")
  it.stream, it.far = assert(kio.stream(near)), assert(kio.stream(far))
  it.udp, it.listener = assert(net.udp "127.0.0.1:0"), assert(net.listen "127.0.0.1:0")
  it.child = assert(process.spawn { "true", env = { LD_PRELOAD = false } })
  it.watch, it.mutex = assert(fs.watch(path)), sync.mutex()
  return it
end

local function close(it)
  for _, name in ipairs { "file", "stream", "far", "udp", "listener", "child", "watch" } do
    it[name]:close()
  end
  fs.remove(it.path)
end

local function many(count) return table.pack((("\0"):rep(count)):byte(1, count)) end

-- One call on each line: function(it) ... end, and the name in its message.
local calls = {
  { "open", function(it) local _ = fs.open(NUMBER) return it end },
  { "open", function(it) local _ = fs.open(it.path, "z") return it end },
  { "open", function(it) local _ = fs.open(it.path, 1 << 40) return it end },
  { "open", function(it) local _ = fs.open(it.path, "r", BAD) return it end },
  { "open", function(it) local _ = fs.open(it.path, "r", UNKNOWN) return it end },
  { "stat", function(it) local _ = fs.stat(it.path, BAD) return it end },
  { "exists", function(it) local _ = fs.exists(it.path, UNKNOWN) return it end },
  { "readdir", function(it) local _ = fs.readdir(TABLE) return it end },
  { "unlink", function(it) local _ = fs.unlink(it.path, NUMBER) return it end },
  { "rename", function(it) local _ = fs.rename(it.path, NUMBER) return it end },
  { "rmdir", function(it) local _ = fs.rmdir(BOOL) return it end },
  { "mkdir", function(it) local _ = fs.mkdir(it.path, UNKNOWN) return it end },
  { "remove", function(it) local _ = fs.remove(it.path, UNKNOWN) return it end },
  { "chmod", function(it) local _ = fs.chmod(it.path, "9") return it end },
  { "symlink", function(it) local _ = fs.symlink(it.path, BOOL) return it end },
  { "readlink", function(it) local _ = fs.readlink(it.path, BAD) return it end },
  { "realpath", function(it) local _ = fs.realpath(NUMBER) return it end },
  { "copy", function(it) local _ = fs.copy(it.path, it.path, UNKNOWN) return it end },
  { "watch", function(it) local _ = fs.watch(NUMBER) return it end },
  { "next", function(it) local _ = it.watch:next(BAD) return it end },
  { "read_file", function(it) local _ = fs.read_file(NUMBER) return it end },
  { "write_file", function(it) local _ = fs.write_file(it.path, BOOL) return it end },
  { "write_file", function(it) local _ = fs.write_file(it.path, "", UNKNOWN) return it end },
  { "read", function(it) local _ = it.file:read(-1) return it end },
  { "lines", function(it) local _ = it.file:lines "z" return it end },
  { "readv", function(it) local _ = it.file:readv { -1 } return it end },
  { "write", function(it) local _ = it.file:write(BOOL) return it end },
  { "writev", function(it) local _ = it.file:writev(FUNCTION) return it end },
  { "writev", function(it) local _ = it.file:writev {} return it end },
  { "writev", function(it) local _ = it.file:writev { BOOL } return it end },
  { "seek", function(it) local _ = it.file:seek "back" return it end },
  { "pread", function(it) local _ = it.file:pread(1 << 40, 0) return it end },
  { "pread", function(it) local _ = it.file:pread(1, 0, BAD) return it end },
  { "preadv", function(it) local _ = it.file:preadv({ 1 << 40 }, 0) return it end },
  { "preadv", function(it) local _ = it.file:preadv({ 1 }, 0, UNKNOWN) return it end },
  { "pwrite", function(it) local _ = it.file:pwrite("", -1) return it end },
  { "pwritev", function(it) local _ = it.file:pwritev({ TABLE }, 0) return it end },
  { "pread_into", function(it) local _ = it.file:pread_into(it.buffer, 1, 1, -1) return it end },
  { "pread_into", function(it) local _ = it.file:pread_into(it.buffer, 1, 1, 0, 5) return it end },
  { "read_into", function(it) local _ = it.file:read_into(it.buffer, 12) return it end },
  { "stat", function(it) local _ = it.file:stat(NUMBER) return it end },
  { "sync", function(it) local _ = it.file:sync(false, BAD) return it end },
  { "truncate", function(it) local _ = it.file:truncate(-1) return it end },
  { "truncate", function(it) local _ = it.file:truncate(1, UNKNOWN) return it end },
  { "read_exactly", function(it) local _ = kio.read_exactly(it.file:fd(), -1) return it end },
  { "read_exactly", function(it) local _ = kio.read_exactly(TEXT, 1) return it end },
  { "pread_exactly", function(it) local _ = kio.pread_exactly(BOOL, 1, 0) return it end },
  { "write_all", function(it) local _ = kio.write_all(it.file:fd(), BOOL) return it end },
  { "write_all", function(it) local _ = kio.write_all(-1, "x") return it end },
  { "pwrite_all", function(it) local _ = kio.pwrite_all(TABLE, "x", 0) return it end },
  { "sendfile", function(it) local _ = kio.sendfile() return it end },
  { "sendfile", function(it) local _ = kio.sendfile(NUMBER, TABLE) return it end },
  { "sendfile", function(it) local _ = kio.sendfile(NUMBER, NUMBER, 0, 1, BAD) return it end },
  { "stream", function(it) local _ = kio.stream(1 << 40) return it end },
  { "stream", function(it) local _ = net.stream(1 << 40) return it end },
  { "listener", function(it) local _ = net.listener(TABLE) return it end },
  { "datagram", function(it) local _ = net.datagram(-1) return it end },
  { "notify", function(it) local _ = net.notify() return it end },
  { "read", function(it) local _ = it.stream:read(-1) return it end },
  { "recv", function(it) local _ = it.stream:recv(0) return it end },
  { "write", function(it) local _ = it.stream:write(BOOL) return it end },
  { "lines", function(it) local _ = it.stream:lines("l", NUMBER) return it end },
  { "lines", function(it) local _ = it.stream.lines(it) return it end },
  { "chunks", function(it) local _ = it.stream.chunks(it) return it end },
  { "chunks", function(it) local _ = it.stream:chunks(0) return it end },
  { "send_fds", function(it) local _ = it.stream:send_fds(BOOL, {}) return it end },
  { "send_fds", function(it) local _ = it.stream:send_fds("x", BOOL) return it end },
  { "send_fds", function(it) local _ = it.stream:send_fds("x", { BOOL }) return it end },
  { "send_fds", function(it) local _ = it.stream:send_fds("x", {}, BAD) return it end },
  { "send_fds", function(it) local _ = it.stream.send_fds(it) return it end },
  { "send_fds", function(it) local _ = it.udp:send_fds("x", BOOL) return it end },
  { "send_fds", function(it) local _ = it.udp.send_fds(it, "x", {}) return it end },
  { "send_fds", function(it) local _ = it.stream:send_fds("", { 0 }) return it end },
  { "send_fds", function(it) local _ = it.stream:send_fds("x", many(254)) return it end },
  { "accepts", function(it) local _ = it.listener.accepts(it) return it end },
  { "serve", function(it) local _ = it.listener:serve() return it end },
  { "serve", function(it) local _ = it.listener.serve(it, print) return it end },
  { "serve", function(it) local _ = it.listener:serve(print, UNKNOWN) return it end },
  { "receive", function(it) local _ = it.udp:receive(-1) return it end },
  { "send_to", function(it) local _ = it.udp:send_to("x", NUMBER) return it end },
  { "connect", function(it) local _ = it.udp:connect(NUMBER) return it end },
  { "connect", function(it) local _ = net.connect(NUMBER) return it end },
  { "listen", function(it) local _ = net.listen("127.0.0.1:0", UNKNOWN) return it end },
  { "udp", function(it) local _ = net.udp(NUMBER) return it end },
  { "udp", function(it) local _ = net.udp(nil, UNKNOWN) return it end },
  { "resolve", function(it) local _ = net.resolve(NUMBER) return it end },
  { "resolve", function(it) local _ = net.resolve("x", UNKNOWN) return it end },
  { "kio.process", function(it) local _ = process.spawn { "true", colour = "red" } return it end },
  { "kio.process", function(it) local _ = process.run { "true", max = 0 } return it end },
  { "kill", function(it) local _ = it.child:kill "NONE" return it end },
  { "kill", function(it) local _ = it.child:kill(TABLE) return it end },
  { "kill", function(it) local _ = it.child.kill(it) return it end },
  { "wait", function(it) local _ = it.child:wait(BAD) return it end },
  { "wait", function(it) local _ = it.child.wait(it) return it end },
  { "wait", function(it) local _ = signal.wait "NONE" return it end },
  { "on", function(it) local _ = signal.on("NONE", print) return it end },
  { "on", function(it) local _ = signal.on "USR1" return it end },
  { "each", function(it) local _ = thread.each(NUMBER) return it end },
  { "spawn_on", function(it) local _ = thread.spawn_on(99, print) return it end },
  { "lock", function(it) local _ = it.mutex:lock(TEXT) return it end },
  { "channel", function(it) local _ = sync.channel(-1) return it end },
  { "map", function(it) local _ = kio.map(NUMBER, print) return it end },
  { "all", function(it) local _ = kio.all(NUMBER) return it end },
  { "race", function(it) local _ = kio.race { 5 } return it end },
  { "sleep", function(it) local _ = kio.sleep(-1) return it end },
  { "timeout", function(it) local _ = kio.timeout(-1, print) return it end },
  { "faults", function(it) local _ = kio.testing.faults() return it end },
}

describe("misuse", function()
  it("cites the line of the call, and the name that was called", function()
    support.run(function()
      local it, wrong = open(), {}
      for _, call in ipairs(calls) do
        local name, f = table.unpack(call)
        local line = debug.getinfo(f, "S").linedefined
        local ok, err = pcall(f, it)
        local text = ok and "no error" or tostring(err)
        local place, rest = text:match "misuse_spec%.lua:(%d+): (.*)"
        if tonumber(place) ~= line then
          wrong[#wrong + 1] = ("%d: %s: points elsewhere: %s"):format(line, name, text)
        elseif not rest:find(name, 1, true) then
          wrong[#wrong + 1] = ("%d: %s: names something else: %s"):format(line, name, text)
        end
      end
      close(it)
      assert.same({}, wrong)
    end)
  end)
end)

describe("an argument error", function()
  it("keeps all of a name, also behind a zero byte", function()
    local _, err = pcall(fs.stat, "/", { ["a\0b"] = 1 })
    assert.equal("bad argument #2 to 'stat' (unknown option 'a\0b')", err)
  end)

  it("cites the caller of a function that ends in a call of kio's", function()
    local line = debug.getinfo(1, "l").currentline + 1
    local function outer() local _ = (function() return fs.open(NUMBER) end)() end
    local _, err = pcall(outer)
    assert.matches(("misuse_spec.lua:%d: bad argument #1"):format(line), err, 1, true)
  end)
end)

-- Calls that wait, and what they need to get as far.
local waits = {
  function() local _ = fs.stat "/" return _ end,
  function() local _ = fs.open "/" return _ end,
  function() local _ = fs.read_file "/" return _ end,
  function() local _ = fs.copy("/", "/") return _ end,
  function() local _ = kio.sendfile(0, 0) return _ end,
  function() local _ = kio.read_exactly(0, 1) return _ end,
  function() local _ = process.run { "true", env = { LD_PRELOAD = false } } return _ end,
  function() local _ = net.connect "127.0.0.1:1" return _ end,
  function(it) local _ = it.listener:accepts()() return _ end,
  function(it) local _ = it.listener:serve(print) return _ end,
  function(it) local _ = it.stream:lines()() return _ end,
  function(it) local _ = it.stream:recv() return _ end,
  function(it) local _ = it.udp:receive() return _ end,
  function(it) local _ = it.watch:next() return _ end,
  function() local _ = kio.map({ 1 }, print) return _ end,
  function() local _ = signal.wait "USR1" return _ end,
}

-- Calls each with `it`; those whose error does not point at the line of the call.
local function elsewhere(text, it)
  local wrong = {}
  for _, f in ipairs(waits) do
    local line = debug.getinfo(f, "S").linedefined
    local ok, err = pcall(f, it)
    local expected = ("misuse_spec.lua:%d: %s"):format(line, text)
    if ok or not tostring(err):find(expected, 1, true) then
      wrong[#wrong + 1] = ("%d: %s"):format(line, ok and "no error" or tostring(err))
    end
  end
  return wrong
end

describe("an operation", function()
  it("outside of a task cites the line of the call", function()
    local it
    support.run(function() it = open() end)
    assert.same({}, elsewhere("operation outside a task", it))
    support.run(function() close(it) end)
  end)

  it("where Lua cannot yield does so, too", function()
    support.run(function()
      local it, wrong = open(), nil
      table.sort({ 2, 1 }, function()
        wrong = elsewhere("operation where Lua cannot yield", it)
      end)
      close(it)
      assert.same({}, wrong)
    end)
  end)

  it("of a second reader does so, too", function()
    support.run(function()
      local it = open()
      local reading = kio.spawn(function() for _ in it.stream:lines() do end end)
      repeat kio.yield() until reading:status() == "waiting"
      local line = debug.getinfo(1, "l").currentline + 1
      local _, err = pcall(function() for _ in it.stream:lines() do end end)
      assert.matches(("misuse_spec.lua:%d: another task is reading"):format(line), err, 1, true)
      it.far:close()
      reading:await()
      close(it)
    end)
  end)
end)
