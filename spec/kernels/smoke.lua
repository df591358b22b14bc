-- Each operation once, on the ring that a run gets here: run by kernels_spec.lua on old kernels, by
-- imitated_spec.lua where the younger system calls are missing. Tells the first thing that fails,
-- else how many there were, and on which ring.
local kio = require "kio"
local const = kio.const

local count = 0
local folder = os.tmpname()

-- What came must be `wanted`, or, where that is true, neither nil nor false.
local function check(name, wanted, got, ...)
  count = count + 1
  if got == wanted or (wanted == true and got) then return end
  local more = table.pack(got, ...)
  for i = 1, more.n do more[i] = tostring(more[i]) end
  error(("%s: %s expected, got %s"):format(name, wanted, table.concat(more, ", ")), 0)
end

local function code_of(_, _, code) return code end

local function names()
  local file, link = folder .. "/file", folder .. "/link"
  check("remove", true, kio.fs.remove(folder))
  check("mkdir", true, kio.fs.mkdir(folder, "700"))
  check("write_file", true, kio.fs.write_file(file, "one"))
  check("append", true, kio.fs.write_file(file, " two", { append = true }))
  check("atomic write", true, kio.fs.write_file(file, "text", { atomic = true, sync = true }))
  check("symlink", true, kio.fs.symlink("file", link))
  check("read_file", "text", kio.fs.read_file(link))
  check("readlink", "file", kio.fs.readlink(link))
  check("realpath", kio.fs.realpath(file), kio.fs.realpath(link))
  check("chmod", true, kio.fs.chmod(file, "640"))
  check("stat", 416, kio.fs.stat(file).mode & 511)
  check("lstat", "link", kio.fs.lstat(link).type)
  check("readdir", 2, #kio.fs.readdir(folder))
  check("rename", true, kio.fs.rename(file, folder .. "/renamed"))
  check("renameat", "EEXIST", code_of(kio.renameat(nil, folder .. "/renamed", nil, link,
    const.RENAME_NOREPLACE)))
  check("unlink", true, kio.fs.unlink(link))
  check("mkdir of parents", true, kio.fs.mkdir(folder .. "/a/b/c", { parents = true }))
  check("copy", true, kio.fs.copy(folder .. "/renamed", folder .. "/a/b/copy"))
  check("remove of a tree", true, kio.fs.remove(folder .. "/a", { recursive = true }))
end

local function files()
  local path = folder .. "/data"
  local file <close> = assert(kio.fs.open(path, "w+"))
  check("write", true, file:write("0123456789"))
  check("pread", "345", file:pread(3, 3))
  check("pwrite", true, file:pwrite("XY", 0))
  check("writev", 10, kio.pwritev(file:fd(), { "abcde", "fghij" }, 10))
  check("readv", "abc|de", table.concat(kio.preadv(file:fd(), { 3, 2 }, 10), "|"))
  check("fallocate", true, kio.fallocate(file:fd(), 0, 0, 8192))
  check("truncate", true, file:truncate(20))
  check("sync", true, file:sync())
  check("fdatasync", true, kio.fdatasync(file:fd()))
  check("size", 20, file:stat().size)
  local other <close> = assert(kio.fs.open(folder .. "/other", "w+"))
  check("sendfile to a file", 20, kio.sendfile(other:fd(), file:fd(), 0, 20))
  check("sendfile's bytes", "XY23456789abcdefghij", other:pread(20, 0))
  local watch <close> = assert(kio.fs.watch(folder))
  check("write to a watched folder", true, kio.fs.write_file(folder .. "/new", ""))
  check("watch", "new", watch:next().name)
end

local function pipes()
  local r, w = kio.pipe()
  local reading = kio.spawn(kio.read, r, 10)
  kio.yield()
  check("write to a pipe", 4, kio.write(w, "pipe"))
  check("read of a pipe", "pipe", reading:await())
  local r2, w2 = kio.pipe()
  check("write for a splice", 5, kio.write(w, "bytes"))
  check("splice", 5, kio.splice(r, nil, w2, nil, 5))
  check("read of what was spliced", "bytes", kio.read(r2, 10))
  check("read with a timeout", "ETIMEDOUT", code_of(kio.read(r, 1, { timeout = 0.01 })))
  local waiting = kio.spawn(kio.read, r, 1)
  kio.yield()
  kio.yield()
  check("cancel", 1, kio.cancel(r))
  check("cancelled", "ECANCELED", code_of(waiting:await()))
  waiting = kio.spawn(kio.poll, r, "r")
  kio.yield()
  check("close under a poll", true, kio.close(r))
  check("closed", "EBADF", code_of(waiting:await()))
  check("EPIPE", "EPIPE", code_of(kio.write(w, "nobody")))
  for _, fd in ipairs { w, r2, w2 } do kio.close(fd) end
end

local function fifo()
  local path = folder .. "/fifo"
  check("mkfifo", 0, kio.process.run { "mkfifo", path }.code)
  check("open of a fifo nobody reads", "ETIMEDOUT",
    code_of(kio.fs.open(path, "w", { timeout = 0.01 })))
  local opening = {}
  for i = 1, 12 do opening[i] = kio.spawn(kio.fs.open, path, "w") end
  kio.sleep(0.01)
  check("names beside opens that wait", "directory", kio.fs.stat(folder).type)
  local reader <close> = assert(kio.fs.open(path, "r", { read_ahead = 0 }))
  for i = 1, 12 do opening[i] = assert(opening[i]:await()) end
  check("write to a fifo", true, opening[3]:write("fifo"))
  check("read of a fifo", "fifo", reader:read(4))
  for i = 1, 12 do opening[i]:close() end
end

local function streams()
  local listener <close> = assert(kio.net.listen("127.0.0.1:0"))
  local accepting = kio.spawn(listener.accept, listener)
  local client <close> = assert(kio.net.connect(listener:address()))
  local server <close> = accepting:await()
  check("accept", client:address(), server:peer())
  client:write("line\n", "rest")
  check("read of a line", "line", server:read())
  check("read of bytes", "rest", server:read(4))
  check("recv with a timeout", "ETIMEDOUT", code_of(server:recv(10, { timeout = 0.01 })))
  local big = ("0123456789abcdef"):rep(1 << 16) -- 1 MiB
  local sending = kio.spawn(client.send, client, big)
  check("a megabyte", true, server:read(#big) == big)
  check("send", true, sending:await())
  local path = folder .. "/big"
  check("write of a megabyte", true, kio.fs.write_file(path, big))
  local file <close> = assert(kio.fs.open(path))
  sending = kio.spawn(server.send_file, server, file)
  check("send_file", true, client:read(#big) == big)
  sending:await()
  check("shutdown", true, client:shutdown("write"))
  check("the end", nil, server:read())
  check("refused", "ECONNREFUSED", code_of(kio.net.connect("127.0.0.1:1")))
  for i = 1, 3 do
    kio.spawn(function() return assert(kio.net.connect(listener:address())):close() end)
    local stream = assert(listener:accept())
    check("accept " .. i, nil, stream:read())
    stream:close()
  end
end

local function sockets()
  local server, client = assert(kio.socket "tcp4"), assert(kio.socket "tcp4")
  check("bind", true, kio.bind(server, "127.0.0.1:0") and kio.listen(server))
  local accepting = kio.spawn(kio.accept, server)
  check("connect", true, kio.connect(client, kio.getsockname(server)))
  local fd, peer = accepting:await()
  check("accept", kio.getsockname(client), peer)
  check("sendmsg", 6, kio.sendmsg(client, { "one", "two" }))
  check("recvmsg", "onetwo", (kio.recvmsg(fd, 10)))
  check("send", 4, kio.send(fd, "four"))
  check("recv", "four", kio.recv(client, 10))
  check("shutdown", true, kio.shutdown(client, "write"))
  check("recv of the end", nil, kio.recv(fd, 10))
  for _, number in ipairs { server, client, fd } do check("close", true, kio.close(number)) end
end

local function unix_sockets()
  local listener <close> = assert(kio.net.listen("unix:" .. folder .. "/socket"))
  local client <close> = assert(kio.net.connect(listener:address()))
  local server <close> = assert(listener:accept())
  local r, w = kio.pipe()
  check("send_fds", true, client:send_fds("!", { w }))
  local _, fds = assert(server:recv_fds(1))
  check("write to a passed pipe", 6, kio.write(fds[1], "passed"))
  check("its bytes", "passed", kio.read(r, 10))
  for _, fd in ipairs { r, w, fds[1] } do kio.close(fd) end
  local a <close> = assert(kio.net.udp("127.0.0.1:0"))
  local b <close> = assert(kio.net.udp(nil, { peer = a:address() }))
  b:send("ping")
  local data, from = a:receive_from()
  check("datagram", "ping", data)
  a:send_to("pong", from)
  check("answer", "pong", b:receive())
  check("receive with a timeout", "ETIMEDOUT", code_of(a:receive(10, { timeout = 0.01 })))
end

local function programs()
  check("run", "out\n", kio.process.run({ "echo", "out" }).stdout)
  check("exit status", 7, kio.process.run({ "sh", "-c", "exit 7" }).code)
  check("stdin", "shout", kio.process.run({ "cat", stdin = "shout" }).stdout)
  check("cwd", folder, kio.process.run({ "sh", "-c", "pwd", cwd = folder }).stdout:match("%S+"))
  check("no such program", "ENOENT", code_of(kio.process.spawn { "/no/such/program" }))
  check("run with a timeout", "ETIMEDOUT",
    code_of(kio.process.run { "sleep", "60", timeout = 0.01 }))
  local sleep <close> = assert(kio.process.spawn { "sleep", "60" })
  local waiting = kio.spawn(sleep.wait, sleep)
  check("wait with a timeout", "ETIMEDOUT", code_of(sleep:wait { timeout = 0.01 }))
  check("kill", true, sleep:kill("TERM"))
  check("signal", "TERM", waiting:await().signal)
  check("kill of what has ended", "ESRCH", code_of(sleep:kill()))
  local left = assert(kio.process.spawn { "sleep", "60" })
  check("close of what runs", true, left:close())
end

local function rest()
  local asked = kio.spawn(kio.signal.wait, "USR1")
  kio.yield()
  check("kill -USR1", 0, kio.process.run({ "sh", "-c", "kill -USR1 $PPID" }).code)
  check("signal.wait", "USR1", asked:await())
  check("blocking", 42, kio.spawn_blocking(function() return 42 end):await())
  check("worker", 2, kio.thread.spawn_on(2, function()
    local own = require "kio"
    own.sleep(0.001)
    return own.thread.id()
  end):await())
  check("timeout", "ETIMEDOUT", code_of(kio.timeout(0.01, kio.sleep, 60)))
  local ok, err = kio.spawn(function() kio.timeout(0.01, error, "no") end):join()
  check("error", false, ok, err)
  local task = kio.spawn(kio.sleep, 60)
  kio.yield()
  task:cancel()
  check("cancelled sleep", false, (task:join()))
  check("resolve", "127.0.0.1:80", kio.net.resolve("127.0.0.1:80")[1])
end

kio.run(function()
  local parts =
    { names, files, pipes, fifo, streams, sockets, unix_sockets, programs, rest }
  for _, part in ipairs(parts) do part() end
  check("the end", true, kio.fs.remove(folder, { recursive = true }))
  print(("smoke: %d operations on %s"):format(count, kio.stats().backend))
end, { threads = 2 })
