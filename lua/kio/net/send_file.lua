---Files to streams: past all memory while the kernel has the bytes ready, else by reads. What is
---sent from is a kio.File's window, or whatever else has these fields.
local _ENV = require "kio.core".globals
local core = require "kio.core"
local transfer = require "kio.bytes.transfer"

local own = core.own
local left = transfer.left

---@class kio.Sendable
---@field fd kio.Fd|false false: it is closed
---@field straight kio.Fd|false the same while its bytes are what the kernel has at their offsets
---@field seekable boolean
---@field near boolean all that was sent of it was in memory: so closing it waits for nothing either

-- While it lives nobody else writes to the stream. A coroutine that an error has ended runs no
-- __close unless somebody closes it.
local Reserved = {}

function Reserved.__gc(self)
  if self.stream then own.stream_reserve(self.stream, false) end
  self.stream = nil
end

Reserved.__close = Reserved.__gc

local function reserve(stream)
  own.stream_reserve(stream, true)
  return setmetatable({ stream = stream }, Reserved)
end

-- The words of an operation on descriptors, or on the stream, about this one.
local function fail(text, message, code, done)
  message = string.match(message, "^%a[%w_]* .-: (.*)$") or message
  return nil, string.format("send_file %s: %s", text, message), code, done
end

local COPIED = 1 << 16 -- bytes of a piece

-- When what is on its way has left, `data` is. This task does so as any other.
local function pass_on(stream, data, due)
  own.stream_reserve(stream, false)
  local passed, message, code = stream:flush(left(due))
  if passed and data then passed, message, code = stream:write(data) end
  if passed then own.stream_reserve(stream, true) end
  return passed, message, code
end

-- Through memory: what has been read passes through the stream as any output. A piece leaves while
-- the next one is read.
local function copy(stream, fd, offset, count, due, mark)
  local size, done, gone = math.min(count, mark, COPIED), 0, 0
  local _ <close> = reserve(stream)
  local buffer <close> = core.buffer(math.max(size, 1))
  while true do
    local n, passed, message, code
    size = math.min(count - done, size)
    if size > 0 then
      n, message, code = core.pread_into(fd, buffer, 1, size, offset + done, left(due))
    end
    if message then return nil, message, code, done end
    passed, message, code = pass_on(stream, n and buffer:slice(1, n), due)
    if not passed then return nil, message, code, code == "ETIMEDOUT" and done or gone end
    if not n then return done end
    gone, done = done, done + n
  end
end

local READ = 1 << 16 -- bytes of a piece that the kernel has not: so slow clients are told from gone

-- From the file to the socket: past all memory while the kernel has the bytes ready, else by reads.
local function move(stream, fd, offset, count, due)
  local done, out = 0, own.name_fd(stream:fd())
  local _ <close> = reserve(stream)
  while true do
    local size = count - done
    local n, message, code, some = own.stream_send_cached(stream, fd, offset + done, size, true)
    if n == false then
      size = math.min(size, READ)
      n, message, code, some = transfer.run(out, fd, offset + done, size, due)
      if n and n < size then return done + n end
    end
    if not n then return nil, message, code, done + (some or 0) end
    done = done + n
    if done == count then return done end
    n, message, code = core.poll(out, "w", left(due)) -- others have their turn in any case
    if not n then return nil, message, code, done end
  end
end

-- What send_cached has left.
local function send_rest(stream, window, offset, count, options)
  local direct, text, timeout, mark = own.stream_way(stream)
  local due = transfer.deadline_of(options and options.timeout and options or { timeout = timeout })
  local flushed, message, code = stream:flush(left(due))
  if not flushed then return fail(text, message, code, 0) end
  if not window.fd then return fail(text, "send_file: the file is closed", "EBADF", 0) end
  if not window.seekable then return fail(text, "send_file: illegal seek", "ESPIPE", 0) end
  if not stream:fd() then return fail(text, "send_file: the stream is closed", "EBADF", 0) end
  local sent, done
  if direct then sent, message, code, done = move(stream, window.fd, offset, count, due)
  else sent, message, code, done = copy(stream, window.fd, offset, count, due, mark) end
  if not sent then return fail(text, message, code, done) end
  return sent
end

---Sends `count` bytes from `offset` on, or what there is of them: how many that was.
---@async
---@param stream kio.Stream
---@param window kio.Sendable
---@param offset integer
---@param count integer
---@param options? kio.Options default: the stream's own timeout
---@return integer? count, string? message, string? code, integer? sent
return function(stream, window, offset, count, options)
  local sent = 0
  if window.straight then
    local message, code
    sent, message, code = own.stream_send_cached(stream, window.straight, offset, count)
    window.near = sent == count
    if sent == count then return sent end
    if sent == nil then return nil, message, code, 0 end
    sent = sent or 0
  end
  local rest, message, code, some = send_rest(stream, window, offset + sent, count - sent, options)
  if not rest then return nil, message, code, sent + some end
  return sent + rest
end
