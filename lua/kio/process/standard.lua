---Streams over descriptors that are there already: a pipe's, a terminal's, a file's, and the three
---that every program has. See docs/process.md.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local own = require "kio.core".own

---@class kio.Standard
local standard = {}

---Takes over a descriptor: the stream closes it. A file is read and written where it stands.
---@param fd kio.Fd of a pipe, a terminal, a device, a file, or a connected stream socket
---@return kio.Stream|nil stream
---@return string? message
---@return string? code
function standard.stream(fd, ...)
  check.no_more(1, "stream", ...)
  check.fd(fd, 1, "stream")
  local stream, message, code = own.net_adopt(fd, "stream")
  if code == "ENOTSOCK" then return own.stream_take(fd) end
  return stream, message, code
end

local open = {}

-- One for each, for bytes that were read ahead are in it.
local function stream_of(name)
  if open[name] and open[name]:fd() then return open[name] end
  local stream, message, code = own.stream_standard(name)
  open[name] = stream
  return stream, message, code
end

---This program's input, as one stream per Lua state: what one run has read ahead, the next one
---gets. Closing it leaves the descriptor open.
---@return kio.Stream|nil stream
---@return string? message
---@return string? code
function standard.stdin(...)
  check.no_more(0, "stdin", ...)
  return stream_of "stdin"
end

---This program's output. What `print` and `io.write` have buffered goes its own way.
---@return kio.Stream|nil stream
---@return string? message
---@return string? code
function standard.stdout(...)
  check.no_more(0, "stdout", ...)
  return stream_of "stdout"
end

---This program's error output.
---@return kio.Stream|nil stream
---@return string? message
---@return string? code
function standard.stderr(...)
  check.no_more(0, "stderr", ...)
  return stream_of "stderr"
end

return standard
