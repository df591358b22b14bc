---A directory that is held open: a name looked up in it is that directory's, whoever moves or swaps
---what leads there meanwhile. It is closed where nothing can wait: in a task that is cancelled too.
local _ENV = require "kio.core".globals
local core = require "kio.core"

local own = core.own
local const = core.const

---@class kio.Held
---@field fd? kio.Fd
local Held = {}
Held.__index = Held

local FLAGS = const.O_PATH | const.O_DIRECTORY

---Holds nothing: names are looked up in the working directory.
function Held.new() return setmetatable({ fd = nil }, Held) end

---Releases it, and holds the one of that name in it instead.
function Held:move(name, flags)
  local fd, message, code = own.name_fd(core.openat(self.fd, name, flags or FLAGS))
  if not fd then return nil, message, code end
  self:__close()
  self.fd = fd
  return true
end

function Held:__close()
  if self.fd then own.close_now(self.fd) end
  self.fd = nil
end

Held.FLAGS = FLAGS

return Held
