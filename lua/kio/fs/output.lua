---Writing at the position of an open file, and at offsets: all of it, or a failure that tells how
---many bytes were written before. Works on a window that is ready (Window.begin_write).
local _ENV = require "kio.core".globals
local check = require "kio.check"
local core = require "kio.core"
local direct = require "kio.fs.direct"
local formats = require "kio.fs.formats"
local rest_of = require "kio.bytes.rest"

local own = core.own

local concat = table.concat

local PIECES_MAX = formats.PIECES_MAX

local output = {}

-- One write at the position, held against others; the position follows it.
local function put(window, write, pwrite, data)
  local out = window.out
  out.busy = true
  local _ <close> = out
  if not window.fd then return nil, "closed", "EBADF" end
  if not window.seekable then return write(window.fd, data) end
  if not window.append then
    local n, message, code = pwrite(window.fd, data, window.top)
    window.top = window.top + (n or 0)
    return n, message, code
  end
  local n, message, code = write(window.fd, data)
  -- Only the kernel knows where the end was; meanwhile the file may have been closed.
  window.top = window.fd and own.lseek(window.fd, "cur") or window.top
  return n, message, code
end

-- The length of what is to be written; nil: a buffer that a finalizer or another task has closed.
local function size_of(data)
  if type(data) == "string" then return #data end
  return (check.length(data))
end

-- Calls once(data) until `data` from byte `done` on is written.
local function finish(data, done, once, ...)
  if done == size_of(data) then own.at_once() end -- nothing to write
  while true do
    local size = size_of(data)
    if not size then return nil, "the buffer was closed meanwhile", "EBADF", done end
    if done >= size then return done end
    local n, message, code = once(rest_of(data, done), done, ...)
    if not n then return nil, message, code, done end
    if n == 0 then return nil, "the device takes no more", "EIO", done end
    done = done + n
  end
end

local function put_string(data, _, window)
  local wrong = direct.wrong(window.direct, data, 1, size_of(data) or 0,
    not window.append and window.top or 0)
  if wrong then return nil, wrong, "EINVAL" end
  return put(window, core.write, core.pwrite, data)
end

---Writes the string or buffer at the position.
function output.write(window, data)
  window:drop()
  return finish(data, 0, put_string, window)
end

---Writes the list of strings, of `size` bytes together, at the position, in one vectored operation
---if the kernel takes it so.
function output.writev(window, list, size)
  if window.direct then return nil, direct.NO_STRINGS, "EINVAL", 0 end
  if #list > PIECES_MAX then return output.write(window, concat(list)) end
  window:drop()
  local n, message, code = put(window, core.writev, core.pwritev, list)
  if not n then return nil, message, code, 0 end
  if n == size then return n end
  return finish(concat(list), n, put_string, window)
end

local function pwrite_string(data, done, window, offset)
  if not window.fd then return nil, "closed", "EBADF" end
  local wrong = direct.wrong(window.direct, data, 1, size_of(data) or 0, offset + done)
  if wrong then return nil, wrong, "EINVAL" end
  return core.pwrite(window.fd, data, offset + done)
end

---Writes the string or buffer at an offset. What was read ahead until it ends is doubtful.
function output.pwrite(window, data, offset)
  local _ <close> = window:doubts()
  return finish(data, 0, pwrite_string, window, offset)
end

---The same for a list of strings.
function output.pwritev(window, list, size, offset)
  if window.direct then return nil, direct.NO_STRINGS, "EINVAL", 0 end
  if #list > PIECES_MAX then return output.pwrite(window, concat(list), offset) end
  local _ <close> = window:doubts()
  local n, message, code = core.pwritev(window.fd, list, offset)
  if not n then return nil, message, code, 0 end
  if n == size then return n end
  return finish(concat(list), n, pwrite_string, window, offset)
end

return output
