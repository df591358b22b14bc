-- What steps.lua counts instructions of. Each case: name, title, short and long (how often it is
-- done in the two runs), run(kio, n), which does it n times, and module: what it needs beside kio.
local TASKS <const> = 64
local CHUNK <const> = 4096

-- Calls `body(i)` in each of `count` tasks, and waits for all of them.
local function in_tasks(kio, count, body)
  kio.scope(function(scope)
    for i = 1, count do scope:spawn(body, i) end
  end)
end

-- 50 connections within one program; `serve(stream)` and `talk(stream, rounds)` are the two ends.
-- Each echo is two pairs of a receive and a write, one on each end, and n counts pairs.
local function echo(kio, n, serve, talk)
  local conns = 50
  local listener = assert(kio.net.listen "127.0.0.1:0")
  local server = kio.spawn(function()
    for stream in listener:accepts() do kio.spawn(serve, stream) end
  end)
  in_tasks(kio, conns, function()
    local stream <close> = assert(kio.net.connect(listener:address()))
    talk(stream, n // conns // 2)
  end)
  listener:close()
  server:await()
end

local function echo_strings(kio, n)
  echo(kio, n, function(stream)
    while true do
      local data = stream:recv()
      if not data then break end
      stream:write(data)
    end
  end, function(stream, rounds)
    local data = ("x"):rep(64)
    for _ = 1, rounds do
      stream:write(data)
      data = assert(stream:recv())
    end
  end)
end

local function echo_buffers(kio, n)
  echo(kio, n, function(stream)
    local buffer = kio.buffer(64)
    while stream:recv_into(buffer) do stream:write(buffer) end
  end, function(stream, rounds)
    local buffer = kio.buffer(64)
    for _ = 1, rounds do
      stream:write(buffer)
      assert(stream:recv_into(buffer) == 64)
    end
  end)
end

-- The server and its client within one program; n requests over 50 connections.
local function http(text, size)
  return function(kio, n)
    local serve = require "kio.http".handler(function(req)
      if req.method == "GET" then return "hello, world\n" end
      return 200, { ["Content-Type"] = "application/json" }, req:body()
    end)
    echo(kio, 2 * n, serve, function(stream, rounds)
      for _ = 1, rounds do
        stream:write(text)
        assert(stream:read_until "\r\n\r\n" and stream:read(size))
      end
    end)
  end
end

local HELLO <const> = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"
local POST <const> = "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1024\r\n\r\n"
  .. ("x"):rep(1024)

-- A file of one chunk for each task, which calls read(n, file, offset, kio, buffer, fd): n reads.
local function reads(read)
  return function(kio, n)
    local path = os.tmpname()
    assert(kio.fs.write_file(path, ("x"):rep(TASKS * CHUNK)))
    local file <close> = assert(kio.fs.open(path))
    kio.fs.unlink(path)
    in_tasks(kio, TASKS, function(i)
      read(n // TASKS, file, (i - 1) * CHUNK, kio, kio.buffer(CHUNK), file:fd())
    end)
  end
end

local read_string = reads(function(n, file, offset)
  for _ = 1, n do file:pread(CHUNK, offset) end
end)

local read_buffer = reads(function(n, file, offset, _, buffer)
  for _ = 1, n do file:pread_into(buffer, 1, CHUNK, offset) end
end)

local read_fd_string = reads(function(n, _, offset, kio, _, fd)
  for _ = 1, n do kio.pread(fd, CHUNK, offset) end
end)

local read_fd_buffer = reads(function(n, _, offset, kio, buffer, fd)
  for _ = 1, n do kio.pread_into(fd, buffer, 1, CHUNK, offset) end
end)

local function nothing(value) return value end

return {
  { name = "echo", title = "an echo of 64 bytes: stream:recv and stream:write, strings",
    short = 2000, long = 10000, run = echo_strings },
  { name = "echo-buffer", title = "the same with a buffer: stream:recv_into, stream:write",
    short = 2000, long = 10000, run = echo_buffers },
  { name = "pread", title = "file:pread of 4 KiB, 64 tasks", short = 640, long = 14720,
    run = read_string },
  { name = "pread-into", title = "file:pread_into of 4 KiB, 64 tasks", short = 640, long = 5120,
    run = read_buffer },
  { name = "fd-pread", title = "kio.pread of 4 KiB on the descriptor, 64 tasks",
    short = 640, long = 14720, run = read_fd_string },
  { name = "fd-pread-into", title = "kio.pread_into of 4 KiB on the descriptor, 64 tasks",
    short = 640, long = 5120, run = read_fd_buffer },
  { name = "byte", title = "kio.pread of one byte, one task", short = 500, long = 3500,
    run = function(kio, n)
      local file <close> = assert(kio.fs.open "/proc/self/exe")
      local fd = file:fd()
      for _ = 1, n do kio.pread(fd, 1, 0) end
    end },
  { name = "yield", title = "kio.yield among 64 tasks", short = 640, long = 7040,
    run = function(kio, n)
      in_tasks(kio, TASKS, function()
        for _ = 1, n // TASKS do kio.yield() end
      end)
    end },
  { name = "spawn", title = "kio.spawn + await", short = 400, long = 2400,
    run = function(kio, n)
      for i = 1, n do kio.spawn(nothing, i):await() end
    end },
  { name = "coroutine", title = "a bare coroutine: create + resume", short = 400, long = 2400,
    run = function(_, n, lua)
      for i = 1, n do lua.resume(lua.create(nothing), i) end
    end },
  { name = "all", title = "kio.all of two functions", short = 100, long = 500,
    run = function(kio, n)
      local list = { nothing, nothing }
      for _ = 1, n do kio.all(list) end
    end },
  { name = "http", title = "GET of 13 bytes, by kio.http; its client's part is in it",
    module = "kio.http", short = 1000, long = 5000, run = http(HELLO, 13) },
  { name = "http-echo", title = "POST of 1 KiB, which comes back; its client's part is in it",
    module = "kio.http", short = 1000, long = 5000, run = http(POST, 1024) },
}
