---Reading a file into buffers: methods of the file object that make no string.
local _ENV = require "kio.core".globals
local base = require "kio.fs.base"
local check = require "kio.fs.check"
local core = require "kio.core"
local direct = require "kio.fs.direct"

---@class kio.File
local File = base.File
local result, closed = base.result, base.closed

local TIMEOUT = { timeout = "number" }

-- What has been read ahead comes first.
local function take_held(window, buffer, at, max)
  local n = math.min(max, window:unread())
  buffer:set(at, string.sub(window.buf, window.at, window.at + n - 1))
  window.at = window.at + n
  return n
end

local function read_held(window, buffer, at, max)
  window.busy = true
  local _ <close> = window
  if not window.seekable then
    local ready, message, code = window:await_writer()
    if not ready then return nil, message, code end
    return core.read_into(window.fd, buffer, at, max)
  end
  if window.direct and window.top == window.short then return nil end
  local wrong = direct.wrong(window.direct, buffer, at, max, window.top)
  if wrong then return nil, wrong, "EINVAL" end
  local n, message, code = core.pread_into(window.fd, buffer, at, max, window.top)
  window.top = window.top + (n or 0)
  window.short = n and n < max and window.top
  return n, message, code
end

---Reads at most `max` bytes at the position into a buffer: how many; nil at the end.
---@async
---@param buffer kio.Buffer
---@param at? integer where in the buffer they begin (1)
---@param max? integer default: all the room behind that
---@return integer? count, string? message, string? code
function File.read_into(self, buffer, at, max, ...)
  local window = base.self_of(self, "read_into")
  check.no_more(3, "read_into", ...)
  at, max = check.room(buffer, at, max, "read_into")
  if not window.fd then return closed(self, "read_into") end
  if not window:begin() then base.refuse_second() end
  if window:unread() > 0 and max > 0 then return take_held(window, buffer, at, max) end
  return result(self, "read_into", read_held(window, buffer, at, max))
end

---Reads at most `max` bytes at the offset into a buffer: how many; nil at the end. The position
---stays.
---@async
---@param buffer kio.Buffer
---@param at? integer where in the buffer they begin (1)
---@param max? integer default: all the room behind that
---@param offset integer
---@param options? kio.Options
---@return integer? count, string? message, string? code
function File.pread_into(self, buffer, at, max, offset, options, ...)
  local window = base.self_of(self, "pread_into")
  at, max = check.room(buffer, at, max, "pread_into")
  offset = check.count(offset, 4, "pread_into")
  options = check.options(options, 5, "pread_into", TIMEOUT, ...)
  if not window.fd then return closed(self, "pread_into") end
  if not window.seekable then return base.no_position(self, "pread_into") end
  local wrong = direct.wrong(window.direct, buffer, at, max, offset)
  if wrong then return base.fail(self, "pread_into", wrong, "EINVAL") end
  return result(self, "pread_into", core.pread_into(window.fd, buffer, at, max, offset, options))
end
