---A process that was started: what kio.process.spawn gives.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local own = require "kio.core".own

---@class kio.Process
---@field pid integer
---@field command string
---@field stdin kio.Stream? its input, when it was asked to be a pipe
---@field stdout kio.Stream? its output, when it was asked to be a pipe
---@field stderr kio.Stream?
---@field package child kio.Child
---@field package runs_on string? why closing did not end it
local Process = { __name = "kio.Process" }
Process.__index = Process

local NAMES = { "stdin", "stdout", "stderr" }
local TIMEOUT = { timeout = "number" }

local function check_self(self, name)
  if getmetatable(self) ~= Process then check.bad_self(self, "kio.Process", name) end
end

---Waits until it has ended; any number of tasks may. How a detached one has ended is not told: its
---parent is another process then ("ECHILD"). Its pipes are another matter: what it has
---written can still be read, and who writes without being read never ends.
---@async
---@param options? kio.Options
---@return {code: integer?, signal: string?}|nil status the exit code, or the signal that ended it
---@return string? message
---@return string? code
function Process:wait(options, ...)
  check_self(self, "wait")
  options = check.options(options, 1, "wait", TIMEOUT, ...)
  local code, signal, errname = own.process_wait(self.child, options)
  if code then return { code = code } end
  if code == false then return { signal = signal } end
  return nil, signal, errname
end

---Sends it a signal; never another process, however late.
---@param signal? string|integer "TERM" when none is named
---@return true|nil
---@return string? message
---@return string? code "ESRCH" when its end has been seen; "EBADF" when it is detached, and closed
function Process:kill(signal, ...)
  check_self(self, "kill")
  check.no_more(1, "kill", ...)
  local done, message, code = check.told("kill", 1, own.process_kill, self.child, signal)
  return done, message, code
end

---Ends it with KILL if it runs, takes its end from the system, and closes its streams without
---waiting for output to leave. So does `<close>`, and the collector. A detached one runs on, and
---only its streams are closed. One that has become another user's (sudo, say) cannot be killed: it
---runs on, is not waited for, and that is the failure.
---@async
---@return true|nil
---@return string? message
---@return string? code "EPERM"
function Process:close(...)
  check_self(self, "close")
  check.no_more(0, "close", ...)
  local done, message, code = own.process_close(self.child)
  self.runs_on = message
  for _, name in ipairs(NAMES) do
    local stream = self[name]
    if stream then stream:close { timeout = 0 } end
  end
  return done, message, code
end

function Process:__close()
  check_self(self, "__close")
  self:close()
end

function Process:__tostring()
  check_self(self, "__tostring")
  local command = own.escape(self.command)
  local state = own.process_state(self.child)
  return string.format("kio.Process (pid %d, %s, %s)", self.pid, state, command)
end

return Process
