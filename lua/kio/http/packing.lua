---How the bodies of answers are packed by gzip, what their fields are then, and for whom. For
---handlers of http.compress.handler; the rock kio-zlib does the work.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local check_file = require "kio.http.body".check_file
local fields = require "kio.http.fields"
local optional = require "kio.optional"
local response = require "kio.http.response"
local trim = require "kio.http.trim"

local packing = {}

-- ---- what is wanted ----

-- The quality of each coding that is named, in thousandths.
local function qualities(text)
  local found = {}
  for item in string.gmatch(string.lower(text), "[^,]+") do
    local name, rest = string.match(trim(item), "^([%w*!#$%%&'+%-.^_`|~]+)%s*(.*)$")
    local q = name and string.match(rest, "^;%s*q=([01]%.?%d*)$")
    if name and (rest == "" or q) then
      found[name] = math.min(math.floor((q and tonumber(q) or 1) * 1000), 1000)
    end
  end
  return found
end

---Whether who sends this Accept-Encoding would rather have gzip than the bytes as they are.
---@param text string|nil
---@return boolean
function packing.accepts(text)
  if text == nil then return false end
  check.type(text, "string", 1, "accepts")
  local found = qualities(text)
  local gzip = found.gzip or found["x-gzip"] or found["*"] or 0
  local plain = found.identity or 0
  return gzip > 0 and gzip >= plain
end

-- Whether a type is one of those that gain by it. Events are not gathered.
local function is_type(content_type, types)
  if not content_type then return false end
  local text = string.lower(content_type)
  if string.find(text, "^text/event%-stream") then return false end
  for _, beginning in ipairs(types) do
    if string.sub(text, 1, #beginning) == beginning then return true end
  end
  return false
end

-- ---- responses ----

-- Fields as a list, and the values of them by name in lower case.
local function fields_of(headers)
  local list, byname = fields.listed(headers), {}
  for _, field in ipairs(list) do
    local name = fields.name(field)
    if name then byname[name] = rawget(field, 2) end
  end
  return list, byname
end

local function set(list, name, value)
  for i = #list, 1, -1 do
    if fields.name(list[i]) == name then table.remove(list, i) end
  end
  if value then list[#list + 1] = { name, value } end
end

-- Another representation must not have the same strong tag.
local function weaken(list, etag)
  if type(etag) == "string" and string.find(etag, '^"') then set(list, "etag", "W/" .. etag) end
end

local function vary(list, before)
  if type(before) ~= "string" or before == "" then return set(list, "vary", "Accept-Encoding") end
  local lower = string.lower(before)
  if before ~= "*" and not string.find(lower, "accept-encoding", 1, true) then
    set(list, "vary", before .. ", Accept-Encoding")
  end
end

-- Packs what an iterator gives; what was written can be read at the other end.
local function packed_pieces(zlib, iterator, level)
  local deflater = zlib.deflate { level = level }
  return function()
    if not deflater then return nil end
    local piece = iterator()
    if piece ~= nil then return deflater:update(piece) .. deflater:flush() end
    local last = deflater:finish()
    deflater:close()
    deflater = nil
    return last
  end
end

local function pieces_of(iterator)
  return function()
    local piece
    repeat piece = iterator() until piece ~= ""
    return piece
  end
end

-- Why this one is left alone, or nil.
local function is_left(status, byname)
  return status < 200 or status == 204 or status == 206 or status == 304
    or byname["content-encoding"] ~= nil or byname["content-range"] ~= nil
    or type(byname["cache-control"]) == "string"
    and string.find(string.lower(byname["cache-control"]), "no-transform", 1, true) ~= nil
end

-- What a handler has returned, as status, headers, body; nil: nothing that could be packed.
local function normal(status, headers, body)
  if type(status) == "string" then return 200, nil, status end
  if math.type(status) == "integer" and fields.fit(headers) then return status, headers, body end
  if type(status) == "function" then return 200, nil, status end
end

-- The fields that an answer has by these, and whether its body is to be packed. `size`: bytes of
-- the body, when that is known.
local function packed_fields(options, req, status, headers, size)
  local list, byname = fields_of(headers)
  local content_type = byname["content-type"] or headers == nil and "text/plain" or nil
  local wanted = is_type(content_type, options.types) and not is_left(status, byname)
  size = size or tonumber(byname["content-length"])
  if not wanted or size and size < options.min then return headers, false end
  vary(list, byname.vary)
  if not packing.accepts(req.headers["accept-encoding"]) then return list, false end
  set(list, "content-encoding", "gzip")
  set(list, "content-length")
  weaken(list, byname.etag)
  return list, true
end

local function nothing() end

local function pack(zlib, options, res, status, headers, body)
  local is_text, req = type(body) == "string", res.request
  if not is_text and type(body) ~= "function" then return status, headers, body end
  local list, packs = packed_fields(options, req, status, response.take_fields(res, headers),
    is_text and #body or nil)
  if not packs then return status, list, body end
  if req.method == "HEAD" then return status, list, nothing end -- its length is not known
  if not is_text then
    return status, list, pieces_of(packed_pieces(zlib, body, options.level))
  end
  return status, list, zlib.compress(body, { level = options.level })
end

-- ---- what a handler writes ----

local PIECE = 1 << 16 -- bytes of a file at a time

-- In place of its methods; the client can read what each call has written.
local function write_packed(self, ...)
  local data = check.join("write", ...)
  if type(data) ~= "string" then data = data:string() end
  if self.done or data == "" then return response.methods.write(self, data) end
  local packed = self.coder:update(data)
  if not packed then check.misuse "this request has been answered" end -- though not whole
  return response.methods.write(self, packed .. self.coder:flush())
end

local function send_file_packed(self, file, offset, count, ...)
  check_file(file, 1, "send_file")
  offset, count = check.count(offset, 2, "send_file"), check.count(count, 3, "send_file")
  check.no_more(3, "send_file", ...)
  local sent = 0
  while sent < count do
    local bytes, message, code = file:pread(math.min(count - sent, PIECE), offset + sent)
    if message then return nil, message, code, sent end
    if not bytes then break end
    local written
    written, message, code = self:write(bytes)
    if not written then return nil, message, code, sent end
    sent = sent + #bytes
  end
  return sent
end

---Has what is written to the response packed, if that pays; called when it is started.
---@param options kio.http.CompressOptions that are complete
---@param res kio.http.Response
---@param status integer
---@param headers table|nil
---@return table|nil headers
function packing.encode(options, res, status, headers)
  local zlib, packs = optional.find "zlib", false
  if zlib then headers, packs = packed_fields(options, res.request, status, headers) end
  if not packs or res.request.method == "HEAD" then return headers end
  local coder = zlib.deflate { level = options.level }
  res.coder, res.write, res.send_file = coder, write_packed, send_file_packed
  function res.last()
    local bytes = coder:finish()
    coder:close()
    return bytes
  end
  return headers
end

-- ---- what a handler returns ----

---What a handler has returned, packed or not: the results of a handler.
---@param options kio.http.CompressOptions that are complete
---@param res kio.http.Response
function packing.answer(options, res, ...)
  local status, headers, body = normal(...)
  local zlib = status and not res.framing and optional.find "zlib"
  if not zlib then return ... end
  return pack(zlib, options, res, status, headers, body)
end

return packing
