-- Who waits for room in a Unix socket hears that nothing can be written any more, on both rings,
-- whoever has shut it down, and whichever end: of that epoll(7) tells nothing.
-- flavours: test asan
-- without: epoll
local kio = require "kio"
local support = require "spec.support"

local HUGE <const> = ("x"):rep(300000)

-- Waits in each way that there is.
local sends <const> = {
  write = function(fd) return kio.write(fd, HUGE) end,
  writev = function(fd) return kio.writev(fd, { HUGE, "+" }) end,
  send = function(fd) return kio.send(fd, HUGE) end,
  sendmsg = function(fd) return kio.sendmsg(fd, { HUGE, "+" }) end,
}

-- Ends writing to `a`, whose other end is `b`. The last one does so behind the ring's back, as
-- another process would.
local ways <const> = {
  ["its own end"] = function(a) assert(kio.shutdown(a, "write")) end,
  ["the other end"] = function(_, b) assert(kio.shutdown(b, "read")) end,
  ["the other end, unseen"] = function(_, b) return assert(kio.net.stream(b)):shutdown "read" end,
}

local function hears(send, shut)
  local a, b = kio.socketpair()
  while kio.send(a, HUGE, 0, { timeout = 0 }) do end
  local sending = kio.spawn(send, a)
  repeat kio.yield() until sending:status() == "waiting"
  kio.yield()
  shut(a, b)
  local _, _, code = sending:await()
  assert.equal("EPIPE", code)
  kio.core.own.close_now(b)
  kio.close(a)
end

for _, backend in ipairs { "uring", "epoll" } do
  for what, shut in pairs(ways) do
    it(("a send that waits hears of a shutdown of %s, on %s"):format(what, backend), function()
      support.run(function()
        for _, send in pairs(sends) do hears(send, shut) end
      end, { backend = backend })
    end)
  end
end
