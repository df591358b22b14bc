-- More of the programs of programs.lua: servers, datagrams, buffers, descriptors that are passed,
-- watches, signals, names, other threads.
local programs = ... -- what is there already

local function load_kio() return require "kio" end

local function exchange(kio, address)
  local stream <close> = assert(kio.net.connect(address, { timeout = 10 }))
  assert(stream:send("hello over TCP\n"))
  local line, message, code = stream:read("l", { timeout = 5 })
  if code == "ETIMEDOUT" then return "a connection that nobody serves and nobody closes" end
  return line or error(message or "the server ended early")
end

local fds = programs.fds

-- Two connections at a time, and a drain.
function programs.serve(options)
  local kio = load_kio()
  return kio.run(function()
    local listener <close> = assert(kio.net.listen("127.0.0.1:0"))
    local failure
    local server = kio.spawn(listener.serve, listener, function(stream)
      for line in stream:lines() do assert(stream:write(line, "\n")) end
    end, { on_error = function(err) failure = err end, idle_timeout = 30, drain_timeout = 0.01 })
    local other = kio.spawn(exchange, kio, listener:address())
    local got = exchange(kio, listener:address())
    local second = other:await()
    if second ~= got then return got .. " beside " .. second end
    assert(listener:close())
    local report, message = server:await()
    if failure or not report then error(failure or message, 0) end
    return got
  end, options)
end

function programs.datagrams(options)
  local kio = load_kio()
  return kio.run(function()
    local a <close> = assert(kio.net.udp("127.0.0.1:0"))
    local b <close> = assert(kio.net.udp(nil, { peer = a:address() }))
    local _, message, code = a:receive(nil, { timeout = 0 })
    assert(code == "ETIMEDOUT", message)
    local waiting = kio.spawn(a.receive_from, a)
    kio.yield()
    assert(b:send({ "hello ", "over ", "TCP" }))
    local data, sender = waiting:await()
    assert(data, sender)
    assert(a:send_to(data, sender))
    return (assert(b:receive(100, { timeout = 10 })))
  end, options)
end

function programs.buffers(options)
  local kio = load_kio()
  return kio.run(function()
    local listener <close> = assert(kio.net.listen("127.0.0.1:0"))
    local near <close> = assert(kio.net.connect(listener:address(), { timeout = 10 }))
    local far <close> = assert(listener:accept())
    local out <close> = kio.buffer(64)
    local into <close> = kio.buffer(4096)
    local next = out:pack(1, "s1", "hello over TCP")
    assert(near:buffer(1 << 16))
    assert(near:write(out:slice(2, next - 1)))
    assert(near:shutdown("write"))
    local size = 0
    repeat
      local n, message = far:recv_into(into, size + 1)
      if message then error(message, 0) end
      size = size + (n or 0)
    until not n
    return into:slice(1, size):string()
  end, options)
end

function programs.passed(options)
  local kio = load_kio()
  return kio.run(function()
    local listener = assert(kio.net.listen("127.0.0.1:0"))
    local door <close> = assert(kio.net.listen("unix:@"))
    local near <close> = assert(kio.net.connect(door:address(), { timeout = 10 }))
    local far <close> = assert(door:accept())
    assert(near:send_fds("it", { listener }))
    local data, list = far:recv_fds(10, { timeout = 10 })
    if not data then error(list, 0) end
    fds[1] = list[1]
    assert(listener:close())
    local again <close> = assert(kio.net.listener(fds[1]))
    fds[1] = false
    local server = kio.spawn(function()
      local stream <close> = assert(again:accept())
      assert(stream:send(assert(stream:read("L"))))
    end)
    local got = exchange(kio, again:address())
    server:await()
    return got
  end, options)
end

function programs.watch(options)
  local kio = load_kio()
  local dir = "build/watch-" .. programs.own
  local path = dir .. "/file"
  local function run()
    assert(kio.fs.mkdir(dir, { parents = true }))
    local watch <close> = assert(kio.fs.watch(dir))
    assert(kio.fs.write_file(path, "hello over TCP"))
    repeat
      local event = assert(watch:next { timeout = 10 })
    until event.kind == "written" and event.name == "file"
    assert(kio.fs.copy(path, path .. "2"))
    return assert(kio.fs.read_file(path .. "2"))
  end
  local results = table.pack(pcall(kio.run, run, options))
  for _, name in ipairs { path, path .. "2", dir } do os.remove(name) end
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

function programs.signals(options)
  local kio = load_kio()
  return kio.run(function()
    local handler = kio.signal.on("USR1", function() error("nobody has sent it", 0) end)
    local waiting = kio.spawn(kio.signal.wait, "USR2", "USR1", { timeout = 10 })
    kio.yield()
    local _, message, code = kio.signal.wait("USR1", { timeout = 0 })
    assert(code == "ETIMEDOUT", message)
    waiting:cancel()
    handler:cancel()
    waiting:join()
    handler:join()
    return "hello over TCP"
  end, options)
end

function programs.names(options)
  local kio = load_kio()
  return kio.run(function()
    local listener <close> = assert(kio.net.listen("127.0.0.1:0"))
    local server = kio.spawn(function()
      local stream <close> = assert(listener:accept())
      assert(stream:send(assert(stream:read("L"))))
    end)
    local port = listener:address():match("%d+$")
    assert(#assert(kio.net.resolve("localhost")) > 0)
    local got = exchange(kio, "localhost:" .. port)
    server:await()
    return got
  end, options)
end

-- The side of the one who sends; over there memory is its own.
function programs.threads(options)
  local kio = load_kio()
  options = options or {}
  options.threads = 2
  return kio.run(function()
    local words = kio.thread.spawn_on(2, function(...) return table.concat({ ... }, " ") end,
      "hello", "over")
    local last, message = kio.spawn_blocking(function() return "TCP" end)
    if not last then error(message, 0) end
    return words:await() .. " " .. last:await()
  end, options)
end

return programs
