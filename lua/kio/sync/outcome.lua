---How the waits and tries of the sync rooms fail.
local _ENV = require "kio.core".globals

local outcome = {}

---What a wait returns when its time is over.
function outcome.late(what)
  return nil, what .. ": timed out", "ETIMEDOUT"
end

---What a try returns that would have had to wait.
function outcome.busy(what, why)
  return nil, string.format("%s: %s", what, why), "EAGAIN"
end

return outcome
