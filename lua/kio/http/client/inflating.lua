---Bodies that come compressed, when the rock kio-zlib is there: they are asked for, and inflated as
---they come, within bounds.
local _ENV = require "kio.core".globals
local optional = require "kio.optional"

local inflating = {}

local RATIO = 1000 -- bytes out for each one in: more is a bomb

local PIECE = 1 << 12 -- bytes at a time, of which a bomb makes 4 MiB

local FORMATS = { gzip = "gzip", ["x-gzip"] = "gzip", deflate = "auto" }

---What a request says that it accepts; nil: nothing.
---@return string|nil
function inflating.accepted()
  return optional.find "zlib" and "gzip, deflate" or nil
end

---What inflates the body of a response; nil: it stays as it comes.
---@param plan kio.http.Plan
---@param head kio.http.Head
function inflating.coder(plan, head)
  if not plan.decompress then return nil end
  local coding = head.headers["Content-Encoding"]
  local format = coding and FORMATS[string.lower(coding)]
  local zlib = format and optional.find "zlib"
  return zlib and zlib.inflate { format = format, ratio = RATIO, members = format == "gzip" }
end

---The next bytes of it; nil at the end.
---@async
function inflating.pull(stream, source, receive, timeout)
  local coder = source.coder
  while true do
    local bytes, message, code
    if source.raw.ended then
      if source.flushed then return nil end
      source.flushed = true
      bytes, message, code = coder:finish()
      if message then return nil, message, code end
      return bytes ~= "" and bytes or nil
    end
    bytes, message, code = receive(stream, source, PIECE, timeout)
    if message then return nil, message, code end
    if bytes then
      bytes, message, code = coder:update(bytes)
      if not bytes then return nil, message, code end
      if bytes ~= "" then return bytes end
    end
  end
end

return inflating
