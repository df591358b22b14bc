---A deadline over several operations, for the helpers on descriptors.
local _ENV = require "kio.core".globals
local core = require "kio.core"

local deadline = {}

---Of options that have been checked.
function deadline.of(options)
  return { at = options and options.timeout and core.now() + options.timeout }
end

---What is left of it, as the options of one operation.
function deadline.left(due)
  return due.at and { timeout = math.max(0, due.at - core.now()) }
end

---A message and a code when it has passed: what need not wait does not look at the clock.
function deadline.late(due, what, fd)
  if not due.at or core.now() < due.at then return nil end
  return string.format("%s fd %d: timed out", what, fd), "ETIMEDOUT"
end

return deadline
