---Addresses of hosts and networks ("10.0.0.0/8", "::1"), to tell who is trusted. An address is four
---or sixteen bytes; IPv4 within IPv6 is IPv4.
local _ENV = require "kio.core".globals

local network = {}

local function ipv4(text)
  local parts = { string.match(text, "^(%d+)%.(%d+)%.(%d+)%.(%d+)$") }
  if #parts == 0 then return nil end
  for i, part in ipairs(parts) do
    if #part > 3 or #part > 1 and string.sub(part, 1, 1) == "0" or tonumber(part) > 255 then
      return nil
    end
    parts[i] = string.char(math.tointeger(tonumber(part)))
  end
  return table.concat(parts)
end

-- The bytes of groups between colons; nil: there is something else. The last one of an address may
-- be one of IPv4.
local function groups(text, is_end)
  if text == "" then return "" end
  local bytes = {}
  for group, behind in string.gmatch(text .. ":", "([^:]*):()") do
    local last = is_end and behind == #text + 2 and ipv4(group)
    if last then bytes[#bytes + 1] = last
    elseif string.find(group, "^%x%x?%x?%x?$") then
      bytes[#bytes + 1] = string.pack(">I2", tonumber(group, 16))
    else return nil end
  end
  return table.concat(bytes)
end

local MAPPED = string.rep("\0", 10) .. "\xff\xff"

local function ipv6(text)
  local before, after = string.match(text, "^(.-)::(.*)$")
  local head, tail = groups(before or text, not before), groups(after or "", true)
  if not head or not tail then return nil end
  if not before then return #head == 16 and head or nil end
  if #head + #tail > 14 then return nil end
  return head .. string.rep("\0", 16 - #head - #tail) .. tail
end

---The bytes of an address without a port; nil: it is none.
---@param text string
---@return string|nil
function network.address(text)
  local bytes = ipv4(text)
  if bytes then return bytes end
  bytes = ipv6((string.gsub(text, "%%.*$", ""))) -- without its interface
  if bytes and string.sub(bytes, 1, 12) == MAPPED then return string.sub(bytes, 13) end
  return bytes
end

---The host of "127.0.0.1:80", "[::1]:80", "[::1]", or of an address alone; its port, if it has one.
---@param text string
---@return string host
---@return string|nil port
function network.split(text)
  local host, port = string.match(text, "^%[([^%]]*)%]:?(%d*)$")
  if not host then host, port = string.match(text, "^([^:]*):(%d+)$") end
  if not host then return text, nil end
  return host, port ~= "" and port or nil
end

---An address and a port, as kio writes them.
function network.join(host, port)
  if not port then return host end
  return string.find(host, ":", 1, true) and string.format("[%s]:%s", host, port)
    or host .. ":" .. port
end

---A network by its text: its first bytes and how many bits of them count; nil: it is none.
---@param text string "10.0.0.0/8", "::1"
---@return { bytes: string, bits: integer }|nil
function network.parse(text)
  local host, bits = string.match(text, "^([^/]+)/(%d+)$")
  local bytes = network.address(host or text)
  if not bytes then return nil end
  bits = bits and math.tointeger(tonumber(bits)) or #bytes * 8
  if host and #bytes == 4 and string.find(host, ":", 1, true) then bits = bits - 96 end
  if bits < 0 or bits > #bytes * 8 then return nil end
  return { bytes = bytes, bits = bits }
end

---Whether the address lies in the network.
function network.contains(net, bytes)
  if #net.bytes ~= #bytes then return false end
  local whole, rest = net.bits // 8, net.bits % 8
  if string.sub(net.bytes, 1, whole) ~= string.sub(bytes, 1, whole) then return false end
  if rest == 0 then return true end
  local shift = 8 - rest
  return string.byte(net.bytes, whole + 1) >> shift == string.byte(bytes, whole + 1) >> shift
end

return network
