-- The main job in one program: an echo server, a thousand clients, and file work beside them.
-- expect-match: echo: 1000 connections, 20000 messages, [%d.]+ MiB, [%d.]+ s, [%d]+ messages/s
-- expect-match: files: 64 MiB written and read back at 64 offsets, [%d.]+ s
-- expect-match: loop: longest turn [%d.]+ ms, [%d.]+ kernel entries per message
-- expect: all bytes came back
local kio = require "kio"

local CONNECTIONS, MESSAGES = 1000, 20
local PAYLOAD = ("kio "):rep(64)
local CHUNK, CHUNKS = 1 << 20, 64

local function echo(stream)
  for data in stream:chunks() do stream:write(data) end
end

local function client(address)
  local stream <close> = assert(kio.net.connect(address))
  for _ = 1, MESSAGES do
    stream:write(PAYLOAD)
    assert(stream:read(#PAYLOAD) == PAYLOAD, "the echo differs")
  end
end

local function all(count, f)
  kio.scope(function(scope)
    for i = 1, count do scope:spawn(f, i) end
  end)
end

local function files()
  local began, path = kio.now(), os.tmpname()
  local file <close> = assert(kio.fs.open(path, "w+"))
  kio.fs.unlink(path)
  all(CHUNKS, function(i)
    local data = string.char(32 + i):rep(CHUNK)
    assert(file:pwrite(data, (i - 1) * CHUNK))
    assert(file:pread(CHUNK, (i - 1) * CHUNK) == data, "the file differs")
  end)
  return kio.now() - began
end

kio.run(function()
  local listener = assert(kio.net.listen("127.0.0.1:0", { backlog = CONNECTIONS }))
  local serving = kio.spawn(listener.serve, listener, echo)
  local began, entered = kio.now(), kio.stats().enters
  local work = kio.spawn(files)
  all(CONNECTIONS, function() client(listener:address()) end)
  local took, count = kio.now() - began, CONNECTIONS * MESSAGES
  print(("echo: %d connections, %d messages, %.1f MiB, %.2f s, %d messages/s"):format(
    CONNECTIONS, count, count * #PAYLOAD / 2 ^ 20, took, count // took))
  print(("files: %d MiB written and read back at %d offsets, %.2f s"):format(
    CHUNK * CHUNKS >> 20, CHUNKS, work:await()))
  local stats = kio.stats()
  print(("loop: longest turn %.1f ms, %.2f kernel entries per message"):format(
    stats.longest_turn * 1000, (stats.enters - entered) / count))
  listener:close()
  serving:await()
  print "all bytes came back"
end)
