-- Small programs whose results depend on nothing but what they do: neither on time, nor on how
-- bytes are cut, nor on the order in which the ring does what is asked of it at the same time.
local kio = require "kio"
local support = require "spec.support"

local programs = {}

-- ---- moving all bytes of something, however the ring cuts them ----

local function receive(stream, n)
  local parts, got = {}, 0
  while got < n do
    local data = assert(stream:recv(n - got))
    parts[#parts + 1], got = data, got + #data
  end
  return table.concat(parts)
end

local function move_all(data, write)
  local at = 1
  while at <= #data do at = at + assert(write(data:sub(at), at - 1)) end
end

local function read_all(read)
  local parts, got = {}, 0
  while true do
    local data = read(got)
    if not data then return table.concat(parts) end
    parts[#parts + 1], got = data, got + #data
  end
end

local function bytes(n, seed)
  local out, x = {}, seed
  for i = 1, n do
    x = (x * 1103515245 + 12345) % 2147483648
    out[i] = string.char(x >> 16 & 0xff)
  end
  return table.concat(out)
end

-- "ok" or the code of a failure
local function code(first, _, name)
  if first == nil or first == false then return name or "end" end
  return "ok"
end

-- ---- the programs ----

-- Five clients of an echo server, each with messages of its own.
function programs.echo()
  local listener = assert(kio.net.listen("127.0.0.1:0"))
  local server = kio.spawn(function()
    local handlers = {}
    for i = 1, 5 do
      local stream = assert(listener:accept())
      handlers[i] = kio.spawn(function()
        for data in function() return stream:recv() end do assert(stream:write(data)) end
        return stream:close()
      end)
    end
    for _, handler in ipairs(handlers) do assert(handler:await()) end
  end)
  local clients, results = {}, {}
  for i = 1, 5 do
    clients[i] = kio.spawn(function()
      local stream, got = assert(kio.net.connect(listener:address())), {}
      for n, size in ipairs { 1, 2, 3, 50, 200 } do
        assert(stream:write(bytes(size, i * 100 + n)))
        got[n] = receive(stream, size)
      end
      assert(stream:close())
      return got
    end)
  end
  for i, client in ipairs(clients) do results[i] = client:await() end
  server:await()
  listener:close()
  return results
end

-- One large write against a reader that begins late; `send` returns when all of it has left.
function programs.large_write()
  local listener = assert(kio.net.listen("unix:@kio-programs-" .. support.free_port()))
  local reader = kio.spawn(function()
    local stream = assert(listener:accept())
    for _ = 1, 10 do kio.yield() end
    local data = read_all(function() return stream:recv() end)
    stream:close()
    return data
  end)
  local stream = assert(kio.net.connect(listener:address()))
  assert(stream:send(bytes(3000, 1)))
  assert(stream:write(bytes(500, 2), bytes(500, 3)))
  local closed = code(stream:close())
  local data = reader:await()
  listener:close()
  return { data, closed }
end

-- Files: every kind of transfer, names, sizes.
function programs.files()
  local c, dir = kio.const, support.tmpdir()
  local fd = assert(kio.openat(nil, dir .. "/a", c.O_RDWR | c.O_CREAT | c.O_EXCL))
  local data = bytes(300, 7)
  move_all(data, function(rest) return kio.write(fd, rest) end)
  move_all("inserted", function(rest, at) return kio.pwrite(fd, rest, 100 + at) end)
  move_all(data, function(rest, at)
    return kio.pwritev(fd, { rest:sub(1, 10), rest:sub(11) }, 300 + at)
  end)
  local result = {
    again = code(kio.openat(nil, dir .. "/a", c.O_RDWR | c.O_CREAT | c.O_EXCL)),
    whole = read_all(function(at) return kio.pread(fd, 77, at) end),
    vectored = read_all(function(at)
      local pieces = kio.preadv(fd, { 5, 20 }, at)
      return pieces and table.concat(pieces)
    end),
    sync = code(kio.fdatasync(fd)),
    cut = code(kio.ftruncate(fd, 123)),
    size = kio.statx(fd, "", c.AT_EMPTY_PATH).size,
    mkdir = code(kio.mkdirat(nil, dir .. "/b")),
    rename = code(kio.renameat(nil, dir .. "/a", nil, dir .. "/b/c")),
    busy = code(kio.unlinkat(nil, dir .. "/b", c.AT_REMOVEDIR)),
    missing = code(kio.openat(nil, dir .. "/a", c.O_RDONLY)),
    close = code(kio.close(fd)),
    closed = code(kio.close(fd)),
  }
  result.unlink = code(kio.unlinkat(nil, dir .. "/b/c"))
  return result
end

-- Bytes through pipes, from a file: splice, poll, and the end that a closed writer brings.
function programs.pipes()
  local c, path = kio.const, support.tmpdir() .. "/source"
  local fd = assert(kio.openat(nil, path, c.O_RDWR | c.O_CREAT))
  local data = bytes(500, 11)
  move_all(data, function(rest, at) return kio.pwrite(fd, rest, at) end)
  local r, w = kio.pipe()
  local result = { idle = code(kio.poll(r, "r", { timeout = 0 })), room = kio.poll(w, "w") }
  local mover = kio.spawn(function()
    local at = 0
    while at < #data do at = at + assert(kio.splice(fd, at, w, nil, #data - at)) end
    return code(kio.close(w))
  end)
  result.ready = kio.poll(r, "r"):sub(1, 1) -- the writer may have hung up already
  result.data = read_all(function() return kio.read(r, 64) end)
  result.closed = mover:await()
  kio.close(r)
  kio.close(fd)
  return result
end

-- Waits that end early: by deadline, by cancel, by close; and connections that are refused.
function programs.early_ends()
  local a, b = kio.socketpair()
  local listener = assert(kio.net.listen("127.0.0.1:0"))
  local result = {
    timeout = code(kio.recv(a, 1, 0, { timeout = 0.001 })),
    at_once = code(kio.recv(a, 1, 0, { timeout = 0 })),
    accept = code(listener:accept { timeout = 0.001 }),
  }
  local reader = kio.spawn(kio.recv, a, 1)
  local accepter = kio.spawn(listener.accept, listener)
  local waiter = kio.spawn(function() return code(kio.read(b, 1)) end)
  kio.sleep(0.001)
  reader:cancel()
  result.reader = { reader:join() }
  result.reader[2] = kio.is_cancelled(result.reader[2])
  result.status = reader:status()
  kio.close(b)
  result.waiter = waiter:await()
  local address = listener:address()
  listener:close()
  result.accepter = code(accepter:await())
  result.refused = code(kio.net.connect(address))
  result.hung_up = code(kio.recv(a, 1))
  kio.close(a)
  return result
end

-- A generator that reads, in a task, through coroutine.wrap: its items, in order.
function programs.generator()
  local a, b = kio.socketpair()
  local writer = kio.spawn(function()
    move_all("one\ntwo\nthree\n", function(rest) return kio.send(b, rest) end)
    return kio.close(b)
  end)
  local lines = coroutine.wrap(function()
    local buffer = ""
    while true do
      local line, rest = buffer:match("^(.-)\n(.*)$")
      if line then
        buffer = rest
        coroutine.yield(line)
      else
        local data = kio.recv(a, 5)
        if not data then return end
        buffer = buffer .. data
      end
    end
  end)
  local got = {}
  for line in lines do got[#got + 1] = line end
  writer:await()
  kio.close(a)
  return got
end

return programs
