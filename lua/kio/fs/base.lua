---What all methods of a file object share: its class, and how failures are told.
local _ENV = require "kio.core".globals
local core = require "kio.core"
local kind = require "kio.kind"

local base = {}

---@class kio.File
---@field path string what it was opened as
local File = { __name = "kio.File" }
File.__index = File
base.File = File

-- The operation and the path in place of the core's words for the descriptor.
local function fail(self, what, message, code, ...)
  if code == "EBADF" and not self.window.fd then message = "the file is closed"
  else message = string.match(message, "^[^:]*: (.*)$") or message end
  return nil, string.format("%s %s: %s", what, self.path, message), code, ...
end
base.fail = fail

-- Passes a result on; nil without a message is the end of the file.
function base.result(self, what, value, message, ...)
  if value == nil and message then return fail(self, what, message, ...) end
  return value
end

function base.self_of(self, name)
  if getmetatable(self) == File then return self.window end
  error(string.format("calling '%s' on bad self (a kio.File expected, got %s)", name,
    kind(self, "kio.File")), 3)
end

function base.refuse_second()
  core.raise "another task is using the position of this file"
end

-- What a result of the output room means to the user: the file, or a failure with its count.
function base.written(self, what, count, ...)
  if count then return self end
  return fail(self, what, ...)
end

function base.no_position(self, what) return fail(self, what, "illegal seek", "ESPIPE") end

function base.closed(self, what)
  core.at_once()
  return fail(self, what, "", "EBADF")
end

---A message that names another subject.
function base.rename_subject(message, old, new)
  local first, last = string.find(message, old, 1, true)
  if not first then return message end
  return string.sub(message, 1, first - 1) .. new .. string.sub(message, last + 1)
end

return base
