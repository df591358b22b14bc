-- Programs in which something fails: memory (spec/c/memory.c) or a request (request_spec.lua). Each
-- is called again and again, and returns `programs.expected`, or fails as a user's program would.
local programs = { expected = "hello over TCP" }

-- In the names of what they make: who runs these side by side is another thread.
local stat <close> = assert(io.open "/proc/thread-self/stat")
programs.own = stat:read("l"):match "^%d+"
local own = programs.own

-- Everything is loaded by the program itself: this is where `require` runs out of memory.
local function load_kio() return require "kio" end

-- Plain descriptors belong to nobody: those a program holds are here, and the host closes them. (A
-- `<close>` would not do: Lua needs memory to call it.) Putting one in needs no memory.
programs.fds = { false, false, false, false }
local fds = programs.fds

local function echo(kio, run)
  local listener = assert(kio.net.listen("127.0.0.1:0"))
  local server = run(function()
    local stream = assert(listener:accept())
    repeat
      local data, message = stream:recv()
      if message then error(message) end
      if data then assert(stream:send(data)) end
    until not data
    assert(stream:close())
  end)
  local stream = assert(kio.net.connect(listener:address(), { timeout = 10 }))
  assert(stream:send("hello ", { "over ", "TCP" }))
  local got = ""
  repeat
    local data, message = stream:recv(nil, { timeout = 10 })
    if not data then error(message or "too short: " .. got) end
    got = got .. data
  until #got >= 14
  assert(stream:close())
  server:await()
  assert(listener:close())
  return got
end

function programs.echo(options)
  local kio = load_kio()
  return kio.run(function() return echo(kio, kio.spawn) end, options)
end

-- What has failed before must not be in the way of what comes after, in the same run.
function programs.twice_in_one_run(options)
  local kio = load_kio()
  return kio.run(function()
    pcall(kio.scope, function() return echo(kio, kio.spawn) end)
    collectgarbage()
    return echo(kio, kio.spawn)
  end, options)
end

function programs.raw_sockets(options)
  local kio = load_kio()
  return kio.run(function()
    fds[1] = assert(kio.socket("tcp4"))
    assert(kio.bind(fds[1], "127.0.0.1:0"))
    assert(kio.listen(fds[1]))
    local accepter = kio.spawn(function()
      fds[3] = assert(kio.accept(fds[1]))
      assert(kio.sendmsg(fds[3], { "hello ", "over ", "TCP" }))
      local fd = fds[3]
      fds[3] = false
      assert(kio.close(fd))
    end)
    fds[2] = assert(kio.socket("tcp4"))
    assert(kio.connect(fds[2], assert(kio.getsockname(fds[1])), { timeout = 10 }))
    local got = {}
    repeat
      local data = assert(kio.recvmsg(fds[2], 100))
      got[#got + 1] = data
    until data == ""
    accepter:await()
    return table.concat(got)
  end, options)
end

function programs.files(options)
  local kio = load_kio()
  return kio.run(function()
    local c, path = kio.const, "build/memory-" .. own
    fds[1] = assert(kio.openat(nil, path, c.O_RDWR | c.O_CREAT))
    assert(kio.unlinkat(nil, path))
    assert(kio.write(fds[1], "hello "))
    assert(kio.pwritev(fds[1], { "over ", "TCP" }, 6))
    assert(kio.fsync(fds[1]))
    assert(assert(kio.statx(fds[1], "", c.AT_EMPTY_PATH)).size == 14)
    assert(assert(kio.pread(fds[1], 100, 6)) == "over TCP")
    local pieces = assert(kio.preadv(fds[1], { 6, 100 }, 0))
    return table.concat(pieces)
  end, options)
end

-- Whole files, file objects, lines, an atomic replacement.
function programs.file_objects(options)
  local kio = load_kio()
  local path = "build/objects-" .. own
  local function run()
    assert(kio.fs.write_file(path, "hello over\n"))
    local file <close> = assert(kio.fs.open(path, "a+"))
    assert(file:write("TCP\n"))
    assert(file:seek("set"))
    local first = assert(file:read("l"))
    for line in file:lines() do first = first .. " " .. line end
    assert(assert(file:pread(3, 11)) == "TCP")
    assert(kio.fs.write_file(path, first, { atomic = true }))
    assert(assert(kio.fs.stat(path)).size == 14)
    return assert(kio.fs.read_file(path))
  end
  return kio.run(function()
    local results = table.pack(pcall(run))
    os.remove(path)
    if not results[1] then error(results[2], 0) end
    return results[2]
  end, options)
end

-- What threads of the pool do, one after the other and at the same time.
function programs.jobs(options)
  local kio = load_kio()
  return kio.run(function()
    assert(assert(kio.fs.realpath("/proc/self/cwd/.")):sub(1, 1) == "/")
    local listing = kio.spawn(kio.fs.readdir, "/proc/self/fdinfo")
    local exe = assert(kio.fs.readlink("/proc/self/exe"))
    assert(exe:sub(1, 1) == "/")
    local list, message = listing:await()
    if not list then error(message, 0) end
    assert(#list > 0)
    assert(assert(kio.core.own.net_lookup("127.0.0.1", "80"))[1] == "127.0.0.1:80")
    local _, _, code = kio.fs.chmod("/proc/self/no such name", "600")
    assert(code == "ENOENT", code)
    return "hello over TCP"
  end, options)
end

-- Streams read by format, in tasks of a scope, which meet over a channel.
function programs.scopes(options)
  local kio = load_kio()
  return kio.run(function()
    local channel = kio.sync.channel(1)
    return kio.scope(function()
      local listener = assert(kio.net.listen("unix:@kio-scopes-" .. own))
      kio.spawn(function()
        local stream <close> = assert(listener:accept())
        local words = {}
        for word in stream:lines() do words[#words + 1] = word end
        words[#words + 1] = assert(kio.timeout(10, function() return "TCP" end))
        assert(channel:send(table.concat(words, " ")))
      end)
      local stream <close> = assert(kio.net.connect(listener:address(), { timeout = 10 }))
      assert(stream:send("hello\nover\n"))
      assert(stream:shutdown("write"))
      local text, message = channel:receive()
      assert(listener:close())
      return text or error(message)
    end)
  end, options)
end

-- What a failure has cut off is not in the way of what the same task does next.
function programs.caught(options)
  local kio = load_kio()
  return kio.run(function()
    fds[1] = assert(kio.socket("unix"))
    local name = "unix:@kio-memory-" .. own
    assert(kio.bind(fds[1], name))
    assert(kio.listen(fds[1]))
    fds[2] = assert(kio.socket("unix"))
    assert(kio.connect(fds[2], name))
    local ok, fd = pcall(kio.accept, fds[1])
    fds[3] = ok and fd or false
    pcall(kio.sleep, 0)
    ok, fd = pcall(kio.openat, nil, ".", kio.const.O_RDONLY)
    fds[4] = ok and fd or false
    pcall(kio.statx, nil, ".")
    pcall(kio.preadv, fds[4] or fds[1], { 10, 10, 10 }, 0)
    pcall(kio.send, fds[2], "hello over TCP")
    local data
    ok, data = pcall(kio.recv, fds[3] or fds[1], 100, 0, { timeout = 1 })
    return ok and data or programs.expected
  end, options)
end

-- Deadlines, cancels, coroutines, errors of tasks.
function programs.tasks(options)
  local kio = load_kio()
  return kio.run(function()
    fds[1], fds[2] = assert(kio.socketpair())
    local a, b = fds[1], fds[2]
    local sleepers = {}
    for i = 1, 20 do sleepers[i] = kio.spawn(kio.sleep, 1000 + i) end
    local failing = kio.spawn(function() error("meant") end)
    local generator = coroutine.wrap(function()
      repeat
        local data, message = kio.recv(a, 5)
        if message then error(message) end
        coroutine.yield(data)
      until not data
    end)
    local ok, err = failing:join()
    assert(not ok and tostring(err):match("meant") or err:match("memory"))
    local _, message, code = kio.recv(a, 1, 0, { timeout = 0 })
    assert(code == "ETIMEDOUT", message)
    assert(kio.send(b, "hello over TCP"))
    assert(kio.shutdown(b))
    for i = 1, 20 do sleepers[i]:cancel() end
    for i = 1, 20 do sleepers[i]:join() end
    local got = {}
    for piece in generator do got[#got + 1] = piece end
    return table.concat(got)
  end, options)
end

-- Values there and back as for another thread: functions, modules, cycles, a refusal.
function programs.parcels()
  local kio = load_kio()
  local core = kio.core
  local list = { "hello", " over ", { "TCP" }, kio = kio, report = print }
  for i = 1, 40 do list["key number " .. i] = { i, list, i / 2, ("x"):rep(100) } end
  local function join() return list[1] .. list[2] .. list[3][1] end
  local parcel, message = core.codec_pack(nil, join, list)
  if not parcel then error(message, 0) end
  local ok, joined, copy = core.codec_unpack(parcel)
  if not ok then error(joined, 0) end
  assert(copy.kio == kio and copy["key number 7"][2] == copy)
  assert(not core.codec_pack(nil, { kio.socket, { coroutine.create(print) } }))
  return joined()
end

return assert(loadfile("spec/fault/serving.lua"))(programs)
