---Bodies of the type multipart/form-data: an iterator over their parts, whose bytes come as they
---are read. Invariant: `kept` holds what was read and is in no part yet; while a part is open it
---begins in that part's content, else behind a boundary.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local own = require "kio.core".own
local request = require "kio.http.request"
local trim = require "kio.http.trim"

local multipart = {}

---@class kio.http.MultipartOptions
---@field max? integer bytes of the whole body (the server's max_body)
---@field max_parts? integer (100)
---@field max_head? integer bytes of the fields of one part (8192)
---@field max_part? integer bytes of the content of one part (no bound of its own)
---@field timeout? number seconds in which the body must go on

local OPTIONS = {
  max = "number", max_parts = "number", max_head = "number", max_part = "number",
  timeout = "number",
}

local COUNTS = { "max", "max_parts", "max_head", "max_part" }

local PIECE = 1 << 14
local WHOLE = 1 << 16 -- of a part that is read whole, unless it is said

---@class kio.http.Parts
---@field package source fun(): string|nil, string?, string?
---@field package mark string what stands before a boundary, and the boundary
---@field package kept string
---@field package part? kio.http.Part the one whose content comes next
---@field package count integer parts so far
---@field package ended? boolean
---@field package failed? { [1]: string, [2]: string }
---@field package options kio.http.MultipartOptions
---@field package req? kio.http.Request
local Parts = { __name = "kio.http.Parts" }
Parts.__index = Parts

---@class kio.http.Part
---@field name string|nil of the field of the form
---@field filename string|nil of what is uploaded, without folders
---@field type string of its content ("text/plain")
---@field headers table<string, string> by name in lower case
---@field size integer bytes of its content so far
---@field package parts kio.http.Parts
---@field package ended? boolean
local Part = { __name = "kio.http.Part" }
Part.__index = Part

-- ---- what is in fields ----

---The boundary that a Content-Type names; nil: it is none of multipart/form-data.
---@param content_type string|nil
---@return string|nil
function multipart.boundary(content_type)
  local kind, rest = string.match(content_type or "", "^%s*([%w-]+/[%w-]+)%s*(.*)$")
  if not kind or string.lower(kind) ~= "multipart/form-data" then return nil end
  local lower = string.lower(rest)
  local at = select(2, string.find(lower, ";%s*boundary="))
  if not at then return nil end
  rest = string.sub(rest, at + 1)
  local text = string.match(rest, '^"([^"]*)"') or string.match(rest, "^[^%s;\"]+")
  local fits = text and #text >= 1 and #text <= 70
    and string.find(text, "^[%w'()+_,%-./:=? ]*[%w'()+_,%-./:=?]$")
  return fits and text or nil
end

-- A parameter of Content-Disposition.
local function parameter(text, name)
  local at = 1
  while true do
    local first, last, key = string.find(text, ";%s*([%w*]+)%s*=%s*", at)
    if not first then return nil end
    local value, behind = string.match(text, '^"(.-[^\\])"()', last + 1)
    if not value then value, behind = string.match(text, '^("")()', last + 1) end
    if value == '""' then value = "" end
    if value then value = string.gsub(value, '\\(["\\])', "%1")
    else value, behind = string.match(text, "^([^;]*)()", last + 1) end
    if string.lower(key) == name then return value end
    at = behind
  end
end

local function head_of(text)
  local headers = {}
  for line in string.gmatch(text, "(.-)\r\n") do
    local name, value = string.match(line, "^([%w!#$%%&'*+%-.^_`|~]+):(.*)$")
    if not name or string.find(value, "[%z\r\n]") then return nil end
    name, value = string.lower(name), trim(value)
    headers[name] = headers[name] and headers[name] .. ", " .. value or value
  end
  return headers
end

-- ---- reading ----

local function fail(self, text, code)
  local message = "read multipart: " .. text
  if self.req then
    local status = code == "EMSGSIZE" and 413 or 400
    message = select(2, request.refuse(self.req, status, text, code))
  end
  self.failed = { message, code }
  return nil, message, code
end

local function too_much(self, form, max)
  return fail(self, string.format(form, max), "EMSGSIZE")
end

-- More bytes behind those that are kept; nil, message, code also when there are none.
local function more(self)
  local bytes, message, code = self.source()
  if bytes then
    self.kept = self.kept .. bytes
    return true
  end
  if not message then return fail(self, "the body ends before its last boundary", "ENODATA") end
  self.failed = { message, code }
  return nil, message, code
end

-- The next bytes before a boundary, at most what is kept; false when it comes at once.
local function content(self)
  while true do
    local at = string.find(self.kept, self.mark, 1, true)
    local size = at and at - 1 or #self.kept - #self.mark + 1
    if size > 0 then
      local bytes = string.sub(self.kept, 1, size)
      self.kept = string.sub(self.kept, size + 1)
      return bytes
    elseif at then
      self.kept = string.sub(self.kept, #self.mark + 1)
      return false
    end
    local came, message, code = more(self)
    if not came then return nil, message, code end
  end
end

-- The rest of a boundary's line: whether a part follows.
local function line_end(self)
  while true do
    if string.find(self.kept, "^%-%-") then return false end
    local ending = select(2, string.find(self.kept, "^[ \t]*\r\n"))
    if ending then
      self.kept = string.sub(self.kept, ending + 1)
      return true
    end
    local may_come = #self.kept < 100 and string.find(self.kept, "^[ \t]*\r?$")
      or self.kept == "-"
    if not may_come then return fail(self, "something goes on behind a boundary", "EPROTO") end
    local came, message, code = more(self)
    if not came then return nil, message, code end
  end
end

local function read_head(self)
  local max = self.options.max_head or 8192
  while true do
    if string.find(self.kept, "^\r\n") then -- no fields at all
      self.kept = string.sub(self.kept, 3)
      return {}
    end
    local ending = string.find(self.kept, "\r\n\r\n", 1, true)
    if (ending or #self.kept - 3) > max then
      return too_much(self, "the fields of a part have more than %d bytes", max)
    elseif ending then
      local headers = head_of(string.sub(self.kept, 1, ending + 1))
      self.kept = string.sub(self.kept, ending + 4)
      if headers then return headers end
      return fail(self, "the fields of a part are none", "EPROTO")
    end
    local came, message, code = more(self)
    if not came then return nil, message, code end
  end
end

-- ---- a part ----

local function basename(name) return name and string.match(name, "[^/\\]*$") end

local function new_part(self, headers)
  local disposition = headers["content-disposition"] or ""
  self.part = setmetatable({
    parts = self, headers = headers, size = 0, name = parameter(disposition, "name"),
    filename = basename(parameter(disposition, "filename")),
    type = headers["content-type"] or "text/plain",
  }, Part)
  return self.part
end

local function part_of(self, name)
  if getmetatable(self) ~= Part then check.bad_self(self, "kio.http.Part", name) end
  return self.parts
end

-- The next bytes of its content; nil at the end.
local function next_piece(self)
  local parts = self.parts
  if parts.part ~= self then check.misuse "the iterator has gone on to another part" end
  own.at_once()
  if self.ended then return nil end
  if parts.failed then return nil, table.unpack(parts.failed, 1, 2) end
  local bytes, message, code = content(parts)
  if bytes == nil then return nil, message, code end
  self.ended = not bytes
  if not bytes then return nil end
  self.size = self.size + #bytes
  local max = parts.options.max_part
  if max and self.size > max then
    return too_much(parts, "a part has more than %d bytes", max)
  end
  return bytes
end

---The next bytes of its content, as they come; nil at the end.
---@async
---@return string|nil bytes
---@return string? message
---@return string? code
function Part:recv(...)
  part_of(self, "recv")
  check.no_more(0, "recv", ...)
  return next_piece(self)
end

---Iterates over its content as it comes; raises on an error.
---@async
---@return fun(): string?
function Part:chunks(...)
  part_of(self, "chunks")
  check.no_more(0, "chunks", ...)
  return function()
    local bytes, message, code = next_piece(self)
    if not bytes and message then own.raise(message, code) end
    return bytes
  end
end

-- What was taken of a part that is wanted whole: given back when the wait for the rest is given up.
local Taken = { __close = function(taken)
  local part = taken.part
  if not part then return end
  part.parts.kept = table.concat(taken) .. part.parts.kept
  part.size = part.size - taken.size
end }

---What is left of its content, as one string.
---@async
---@param max? integer bytes at most (64 KiB)
---@return string|nil content
---@return string? message
---@return string? code "EMSGSIZE": there is more
function Part:read(max, ...)
  part_of(self, "read")
  max = max == nil and WHOLE or check.count(max, 1, "read")
  check.no_more(1, "read", ...)
  local taken <close> = setmetatable({ part = self, size = 0 }, Taken)
  while true do
    local bytes, message, code = next_piece(self)
    if not bytes and message then return nil, message, code end
    if not bytes then break end
    taken.size = taken.size + #bytes
    taken[#taken + 1] = bytes
    if taken.size > max then
      return too_much(self.parts, "a part has more than %d bytes", max)
    end
  end
  taken.part = nil
  return table.concat(taken)
end

-- ---- all parts ----

-- What is left of the open part is passed over.
local function skip(self)
  local part = self.part
  while part and not part.ended do
    local bytes, message, code = next_piece(part)
    if not bytes and message then return nil, message, code end
  end
  return true
end

-- The next part; nil at the end.
local function next_part(self)
  own.at_once()
  if self.failed then return nil, table.unpack(self.failed, 1, 2) end
  if self.ended then return nil end
  local done, message, code = skip(self)
  if not done then return nil, message, code end
  local follows
  follows, message, code = line_end(self)
  if follows == nil then return nil, message, code end
  if not follows then
    self.ended, self.part, self.kept = true, nil, ""
    return nil
  end
  self.count = self.count + 1
  local max = self.options.max_parts or 100
  if self.count > max then return too_much(self, "more than %d parts", max) end
  local headers
  headers, message, code = read_head(self)
  if not headers then return nil, message, code end
  return new_part(self, headers)
end

-- What stands before the first boundary is no part of anything.
local function pass_preamble(self)
  local bytes, message, code
  repeat bytes, message, code = content(self) until not bytes
  if bytes == nil then return nil, message, code end
  return true
end

---Iterates over the parts that `source` brings; raises on an error.
---@param source async fun(): string|nil, string?, string? the body in pieces; nil at its end
---@param boundary string
---@param options? kio.http.MultipartOptions that have been checked
---@param req? kio.http.Request whose body it is
---@return async fun(): kio.http.Part?
function multipart.read(source, boundary, options, req)
  local self = setmetatable({
    source = source, mark = "\r\n--" .. boundary, kept = "\r\n", count = 0, req = req,
    options = options or {},
  }, Parts)
  local begun
  return function()
    local part, message, code = nil, nil, nil
    if not begun and not self.failed then begun, message, code = pass_preamble(self) end
    if not message then part, message, code = next_part(self) end
    if not part and message then own.raise(message, code) end
    return part
  end
end

local NO_FORM = "the body is none of type multipart/form-data"

---Iterates over the parts of a request's body; raises on an error, also when it is of another type.
---@async
---@param req kio.http.Request
---@param options? kio.http.MultipartOptions
---@return async fun(): kio.http.Part?
function multipart.parts(req, options, ...)
  options = check.options(options, 1, "multipart", OPTIONS, ...) or {}
  for _, name in ipairs(COUNTS) do
    local most = options[name] or math.huge
    if most ~= math.huge then check.count(most, 1, "multipart", "option '" .. name .. "'") end
  end
  local boundary = multipart.boundary(req.headers["content-type"])
  if not boundary then
    local _, message = request.refuse(req, 415, NO_FORM, "EPROTO")
    own.raise(message, "EPROTO")
  end
  local how = { max = options.max, timeout = options.timeout }
  return multipart.read(function() return req:read(PIECE, how) end, boundary, options, req)
end

return multipart
