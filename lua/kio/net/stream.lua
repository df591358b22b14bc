---The methods of streams that are written in Lua.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local core = require "kio.core"
local optional = require "kio.optional"
local transfer = require "kio.bytes.transfer"

local own = core.own
local left = transfer.left

---@class kio.Stream
local Stream = {}

-- What an iterator gives its loop: a value, nil at the end; an error is raised, as by io.lines.
local function value_or_raise(value, message, code)
  if value == nil and message then own.raise(message, code) end
  return value
end

local FORMATS = { l = true, L = true, a = true, ["*l"] = true, ["*L"] = true, ["*a"] = true }
local LINES = { max = "number", timeout = "number" }
local CHUNKS = { timeout = "number" }

---Iterates over what `read` gives for one format; raises on an error: its message names the line
---of the loop, and ends in the code, "(ECONNRESET)".
---@param format? string|integer as for `read`; default "l"
---@param options? {max?: integer, timeout?: number}
---@return fun(): string?
---@async
function Stream:lines(format, options, ...)
  check.self(self, "kio.Stream", "lines")
  format = format or "l"
  if type(format) == "number" then check.moved(format, 1, "lines")
  elseif not FORMATS[format] then check.refuse(1, "lines", "invalid format") end
  options = check.options(options, 2, "lines", LINES, ...)
  options = options or {}
  return function() return value_or_raise(self:read(format, options)) end
end

---Iterates over what arrives, in pieces as it comes; raises on an error, as `lines` does.
---@param max? integer most bytes of a piece
---@param options? {timeout?: number}
---@return fun(): string?
---@async
function Stream:chunks(max, options, ...)
  check.self(self, "kio.Stream", "chunks")
  if max ~= nil and check.count(max, 1, "chunks") == 0 then
    check.refuse(1, "chunks", "must be at least 1 byte")
  end
  options = check.options(options, 2, "chunks", CHUNKS, ...)
  return function() return value_or_raise(self:recv(max, options)) end
end

---What is known of the TLS that the stream speaks; nil: it speaks none, or not yet.
---@return kio.tls.Info|nil
function Stream:tls(...)
  check.self(self, "kio.Stream", "tls")
  check.no_more(0, "tls", ...)
  if own.stream_way(self) then return nil end -- nothing is between it and its descriptor
  local info = optional.find "tls.info"
  return info and info(self)
end

-- ---- files ----

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

---Sends a part of an open file: `count` bytes from `offset` on, or what there is of them; how many
---that was. Output that was written before leaves before. No string is made of them where the
---stream's bytes are its descriptor's; else they pass through the stream as any output does. The
---file's position stays. Nobody else may write to the stream meanwhile.
---@async
---@param file kio.File
---@param offset? integer default 0: its first byte
---@param count? integer default: all that follows
---@param options? kio.Options default: the stream's own timeout
---@return integer? count, string? message, string? code, integer? sent
function Stream:send_file(file, offset, count, options, ...)
  check.self(self, "kio.Stream", "send_file")
  local meta = getmetatable(file)
  if type(meta) ~= "table" or rawget(meta, "__name") ~= "kio.File" then
    check.refuse(1, "send_file", "kio.File expected, got " .. check.kind(file))
  end
  offset = offset ~= nil and check.count(offset, 2, "send_file") or 0
  count = count ~= nil and check.count(count, 3, "send_file") or math.maxinteger - offset
  options = check.options(options, 4, "send_file", CHUNKS, ...)
  local window, sent = file.window, 0
  if window.straight then
    local message, code
    sent, message, code = own.stream_send_cached(self, window.straight, offset, count)
    if sent == count then return sent end
    if sent == nil then return nil, message, code, 0 end
    sent = sent or 0
  end
  local rest, message, code, some = send_rest(self, window, offset + sent, count - sent, options)
  if not rest then return nil, message, code, sent + some end
  return sent + rest
end

return Stream
