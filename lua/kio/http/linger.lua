---Lets the peer read what it was last told although it may be sending: a close would answer that by
---a reset, which may overtake the words. What it sends meanwhile is dropped, however much that is:
---many clients send all they have before they read. Only its time is bounded.
local _ENV = require "kio.core".globals
local core = require "kio.core"

local LINGER <const> = 2 -- seconds
local PIECE <const> = 1 << 16

---@async
---@param stream kio.Stream whose output ends here, and which is to be closed
return function(stream)
  core.timeout(LINGER, function()
    local more = stream:shutdown "write"
    while more do more = stream:recv(PIECE) end
  end)
end
