---Content codings: what a response is sent as, by what its client takes, and what a request's body
---was packed as, within bounds. gzip, by the rock kio-zlib; without it nothing is packed.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local optional = require "kio.optional"
local own = require "kio.core".own
local packing = require "kio.http.packing"
local request = require "kio.http.request"

---@class kio.http.compress
local compress = {}

---@class kio.http.CompressOptions
---@field min? integer bytes of a body from which on it pays (1024)
---@field level? integer 1 to 9 (5)
---@field types? string[] beginnings of types ("text/", "application/json" and the like)

local OPTIONS = { min = "number", level = "number", types = "table" }
local TYPES = {
  "text/", "application/json", "application/javascript", "application/xml", "application/wasm",
  "application/manifest+json", "application/ld+json", "image/svg+xml", "font/ttf",
}

---Whether who sends this Accept-Encoding would rather have gzip than the bytes as they are.
---@param text string|nil
---@return boolean
compress.accepts = packing.accepts

-- ---- handlers ----

---A handler whose answers are packed when the client takes that, their type gains by it and they
---are large enough: what it returns and what it writes itself. Without the rock kio-zlib they are
---as they were.
---@param handler kio.http.Handler
---@param options? kio.http.CompressOptions
---@return kio.http.Handler
function compress.handler(handler, options, ...)
  check.type(handler, "function", 1, "handler")
  options = check.options(options, 2, "handler", OPTIONS, ...) or {}
  options.types = options.types or TYPES
  options.min, options.level = options.min or 1024, options.level or 5
  if not (math.type(options.level) == "integer" and options.level >= 1 and options.level <= 9) then
    check.refuse(2, "handler", "option 'level' must be an integer from 1 to 9")
  end
  local answer, encode = packing.answer, packing.encode
  return function(req, res)
    function res.encode(...) return encode(options, ...) end
    return answer(options, res, handler(req, res))
  end
end

-- ---- requests ----

local BODY = { max = "number", ratio = "number", timeout = "number" }
local RATIO = 100

-- The coding of a body: "gzip", or false for none; nil and why it cannot be read.
local function coding_of(headers)
  local text = string.lower(headers["content-encoding"] or "identity")
  if text == "identity" then return false end
  if text == "gzip" or text == "x-gzip" then return "gzip" end
  return nil, "no such content coding is known here: " .. text
end

local function unsupported(req, words) return request.refuse(req, 415, words, "ENOTSUP") end

-- The data are spoilt, or too many: what the request is answered with when its handler gives up.
local function spoilt(req, message, code)
  return request.refuse(req, code == "EMSGSIZE" and 413 or 400, message, code)
end

-- An inflater for the body; false when it is not packed.
local function inflater_of(req, options)
  local coding, message = coding_of(req.headers)
  if not coding then
    if message then return unsupported(req, message) end
    return false
  end
  local zlib, why = optional.find "zlib"
  if not zlib then return unsupported(req, why) end
  return zlib.inflate {
    format = "gzip", members = true, max = options.max, ratio = options.ratio or RATIO,
  }
end

local function check_request(req, name)
  if getmetatable(req) ~= request.meta then
    check.refuse(1, name, "kio.http.Request expected, got " .. check.kind(req))
  end
end

---The whole body of a request, which may be packed by gzip; else as req:body gives it.
---@async
---@param req kio.http.Request
---@param options? { max: integer?, ratio: number?, timeout: number? } max: bytes, unpacked (1 MiB);
---ratio: unpacked for each packed one, beyond 64 KiB (100)
---@return string|nil body
---@return string? message
---@return string? code "EMSGSIZE": more than `max` or `ratio`; "ENOTSUP": another coding
function compress.body(req, options, ...)
  check_request(req, "body")
  options = check.options(options, 2, "body", BODY, ...) or {}
  options.max = options.max and check.count(options.max, 2, "body", "option 'max'") or 1 << 20
  local inflater, message, code = inflater_of(req, options)
  if inflater == nil then return nil, message, code end
  local text
  text, message, code = req:body { max = options.max, timeout = options.timeout }
  if not text or not inflater then return text, message, code end
  local out <close> = inflater
  text, message, code = out:finish(text)
  if not text then return spoilt(req, message, code) end
  return text
end

---The same piece by piece; raises on an error.
---@async
---@param req kio.http.Request
---@param options? { max: integer?, ratio: number?, timeout: number? }
---@return async fun(): string?
function compress.chunks(req, options, ...)
  check_request(req, "chunks")
  options = check.options(options, 2, "chunks", BODY, ...) or {}
  local inflater, message, code = inflater_of(req, options)
  if inflater == nil then own.raise(message, code) end
  local pieces = req:chunks { max = options.max, timeout = options.timeout }
  if not inflater then return pieces end
  local ended = false
  return function()
    local out, _
    repeat
      if ended then return nil end
      local piece = pieces()
      if piece then out, message, code = inflater:update(piece)
      else
        ended = true
        out, message, code = inflater:finish()
        inflater:close()
      end
      if not out then
        _, message = spoilt(req, message, code)
        own.raise(message, code)
      end
    until out ~= ""
    return out
  end
end

return compress
