---The extension permessage-deflate of WebSockets (RFC 7692), by kio.zlib: what is offered and
---agreed upon, and messages compressed. No side keeps anything from one message to the next: an
---idle connection has no memory for it, and all connections of a worker share a deflater.
local _ENV = require "kio.core".globals
local optional = require "kio.optional"

local permessage = {}

local NAME = "permessage-deflate"
local WINDOW, MEMORY, LEVEL = 12, 5, 6 -- 2^(12+2) + 2^(5+9) bytes, 32 KiB
local THRESHOLD = 1024 -- bytes: what is shorter stays as it is
local TAIL = "\0\0\255\255" -- ends each message, and is not sent

-- ---- the header Sec-WebSocket-Extensions ----

-- The parameters of one extension, nil when they are not well-formed or repeated.
local function parameters_of(text)
  local found = {}
  for part in string.gmatch(text, "[^;]+") do
    local name, value = string.match(part, "^%s*([%w_-]+)%s*=%s*\"?([%w_-]+)\"?%s*$")
    if not name then name = string.match(part, "^%s*([%w_-]+)%s*$") end
    if not name or found[name] then return nil end
    found[name] = value or true
  end
  return found
end

-- Each permessage-deflate of the list, in order, as its parameters; and whether there are others.
local function parse(header)
  local list, others = {}, false
  for each in string.gmatch(header or "", "[^,]+") do
    local name, rest = string.match(each, "^%s*([%w_-]+)%s*;?(.*)$")
    if name and string.lower(name) == NAME then list[#list + 1] = parameters_of(rest) or false
    else others = true end
  end
  return list, others
end

local KNOWN = {
  server_no_context_takeover = true, client_no_context_takeover = true,
  server_max_window_bits = true, client_max_window_bits = true,
}

-- A number of window bits, nil when it is none.
local function bits_of(value)
  local bits = type(value) == "string" and string.find(value, "^[1-9]%d?$") and tonumber(value)
  return bits and bits >= 8 and bits <= 15 and bits or nil
end

local function is_text(value) return type(value) == "string" end

-- Whether a server can agree to these, and zlib deflate so: its smallest window is of 9 bits.
local function is_fit(offer)
  for name in pairs(offer) do if not KNOWN[name] then return false end end
  local server, client = offer.server_max_window_bits, offer.client_max_window_bits
  if server and not (bits_of(server) and bits_of(server) >= 9) then return false end
  if client and client ~= true and not bits_of(client) then return false end
  return not is_text(offer.server_no_context_takeover)
    and not is_text(offer.client_no_context_takeover)
end

-- ---- messages ----

---@class kio.http.Compression
---@field window integer of what is sent
---@field max integer bytes of a message
local Compression = {}
Compression.__index = Compression

-- This worker's, by what they were made for: between two calls nothing is left in them, and the
-- collector may have them.
local WEAK = { __mode = "v" }
local deflaters, inflaters = setmetatable({}, WEAK), setmetatable({}, WEAK)

local function deflater(window)
  local made = deflaters[window]
  if not made then
    local zlib = optional.find "zlib"
    made = zlib.deflate { format = "raw", window = window, memory = MEMORY, level = LEVEL }
    deflaters[window] = made
  end
  return made
end

---The message compressed; nil when it is better sent as it is.
---@param data string
---@return string|nil
function Compression:deflate(data)
  if #data < THRESHOLD then return nil end
  local coder = deflater(self.window)
  local first = coder:update(data)
  local rest = first and coder:flush "sync"
  coder:reset()
  if not rest then return nil end
  local packed = string.sub(first .. rest, 1, -#TAIL - 1)
  return #packed < #data and packed or nil
end

---What a compressed message was; nil, message, code.
---@param data string
---@return string|nil, string?, string?
function Compression:inflate(data)
  local coder = inflaters[self.max]
  if not coder then
    coder = optional.find "zlib".inflate { format = "raw", max = self.max }
    inflaters[self.max] = coder
  end
  local message, words, code = coder:update(data, TAIL)
  coder:reset()
  return message, words, code
end

local function compression(window, max)
  return setmetatable({ window = window, max = max }, Compression)
end

-- ---- agreeing ----

---Why it cannot be had; nil: it can.
---@return string|nil
function permessage.missing()
  local zlib, why = optional.find "zlib"
  if not zlib then return "compression needs the rock kio-zlib: " .. tostring(why) end
end

---What a server agrees to of what a client offers; nil: nothing.
---@param header? string
---@param max integer bytes of a message
---@return kio.http.Compression|nil
---@return string? answer for the server's header
function permessage.accept(header, max)
  for _, offer in ipairs((parse(header))) do
    if offer and is_fit(offer) then
      local window = math.min(WINDOW, bits_of(offer.server_max_window_bits) or WINDOW)
      local answer = NAME .. "; server_no_context_takeover; client_no_context_takeover"
      if offer.server_max_window_bits then
        answer = string.format("%s; server_max_window_bits=%d", answer, window)
      end
      return compression(window, max), answer
    end
  end
end

---What a client offers.
permessage.OFFER = NAME .. "; server_no_context_takeover; client_no_context_takeover; "
  .. string.format("client_max_window_bits=%d", WINDOW)

---What a server has answered to the offer; nil: it has left it out; false: no client may take that.
---@param header? string
---@param max integer
---@return kio.http.Compression|nil|false
function permessage.agreed(header, max)
  local list, others = parse(header)
  if others or #list > 1 then return false end
  if #list == 0 then return nil end
  local answer = list[1]
  if not answer or not is_fit(answer) then return false end
  local bits = answer.client_max_window_bits
  if not answer.server_no_context_takeover or bits == true then return false end
  bits = bits_of(bits) or WINDOW
  return bits >= 9 and compression(math.min(WINDOW, bits), max) or false
end

return permessage
