---Files as answers: found below a root and nowhere else, sent as a whole or in part, or not at all
---when the client has them already. What is asked for is opened first, and all that is said of it
---is said of what was opened.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local compress = require "kio.http.compress"
local conditional = require "kio.http.conditional"
local form = require "kio.http.form"
local place = require "kio.http.place"
local response = require "kio.http.response"
local types = require "kio.http.types"

local static = {}

---@class kio.http.FileOptions
---@field type? string its media type (by the ending of its name)
---@field headers? table<string, string> further fields, such as Cache-Control
---@field download? string the name under which a browser is to save it
---@field precompressed? boolean its neighbour ".gz" is sent to who takes that (false)
---@field root? string the path is one of a URL below this folder: see http.files

---@class kio.http.FilesOptions: kio.http.FileOptions
---@field index? string|false what a folder is answered with ("index.html")
---@field dotfiles? boolean names that begin with a dot, too (false)

local FILE = {
  type = "string", headers = "table", download = "string", precompressed = "boolean",
  root = "string", index = "any", dotfiles = "boolean",
}

-- ---- what is sent ----

local NONE = {} -- which nobody writes to

local function disposition(name)
  return string.format("attachment; filename=\"%s\"; filename*=UTF-8''%s",
    string.gsub(name, '[%c"\\\127-\255]', "_"), form.escape(name))
end

local OURS = { ["etag"] = true, ["last-modified"] = true, ["accept-ranges"] = true }

-- The fields of every answer with this file, found as `name`.
local function fields_of(found, name, options)
  local about = found.about
  local headers = {
    ["etag"] = about.etag, ["last-modified"] = about.date, ["accept-ranges"] = "bytes",
    ["content-type"] = types.of(name), ["x-content-type-options"] = "nosniff",
  }
  for key, value in next, options.headers do
    local field = string.lower(key)
    if not OURS[field] then headers[field] = value end
  end
  if options.type then headers["content-type"] = options.type end
  if found.packed then headers["content-encoding"] = "gzip" end
  if options.precompressed then headers["vary"] = "Accept-Encoding" end
  if options.download then headers["content-disposition"] = disposition(options.download) end
  return headers
end

---What a request is answered with that asks for a file: a status, fields, and the part of the file
---that is the body (nil: none).
---@param method string
---@param asked table<string, string> the request's fields
---@param about kio.http.About
---@param headers table<string, string> which are added to
---@return integer status
---@return integer|nil offset
---@return integer|nil count
function static.plan(method, asked, about, headers)
  local status = conditional.status(asked, about)
  if status then
    headers["content-type"], headers["content-disposition"] = nil, nil
    return status
  end
  local offset, count
  if method == "GET" then offset, count = conditional.range(asked, about) end
  if offset == false then
    headers["content-range"] = string.format("bytes */%d", about.size)
    headers["content-length"] = 0
    return 416
  elseif offset then
    local last = offset + count - 1
    headers["content-range"] = string.format("bytes %d-%d/%d", offset, last, about.size)
    headers["content-length"] = count
    return 206, offset, count
  end
  headers["content-length"] = about.size
  return 200, 0, about.size
end

-- The file became shorter while it was sent: an end here would be taken for that of the whole.
local SHRUNK = "send %s: the file has become shorter than it was"

local function send_body(res, found, offset, count)
  local sent, message, code, some = response.send_open(res, found, offset, count)
  if sent and sent < count then error(string.format(SHRUNK, found.path), 0) end
  if sent then return res end
  return nil, message, code, some
end

-- Answers with what was found.
local function send_found(res, found, name, options)
  local _ <close> = found
  local req = res.request
  local headers = fields_of(found, name, options)
  local status, offset, count = static.plan(req.method, req.headers, found.about, headers)
  local started, message, code = response.start(res, status, headers)
  if not started then return nil, message, code end
  if not offset or req.method == "HEAD" or count == 0 then return res end
  return send_body(res, found, offset, count)
end

-- ---- refusals ----

local WORDS = {
  [400] = "Bad Request", [403] = "Forbidden", [404] = "Not Found", [405] = "Method Not Allowed",
}

local function refuse(res, status, headers)
  headers = headers or {}
  local text = (WORDS[status] or "Error") .. "\n"
  headers["content-type"], headers["content-length"] = "text/plain", #text
  local started, message, code = res:start(status, headers)
  if started and res.request.method ~= "HEAD" then started, message, code = res:write(text) end
  if not started then return nil, message, code end
  return res
end

local function redirect(res, location)
  local started, message, code = res:start(301, { location = location, ["content-length"] = 0 })
  if not started then return nil, message, code end
  return res
end

-- ---- what is asked for ----

local function is_packed_wanted(req, options)
  return options.precompressed and not req.headers.range
    and compress.accepts(req.headers["accept-encoding"])
end

local function send_below(res, path, options)
  local req = res.request
  local parts, folder = place.parts(path, options.dotfiles)
  if not parts then return refuse(res, 404) end
  local found, status, name = place.find(options.root, parts, folder, options.index,
    is_packed_wanted(req, options))
  if status == 301 then
    local query = req.query and "?" .. req.query or ""
    return redirect(res, place.url(parts) .. "/" .. query)
  end
  if not found then return refuse(res, status) end
  return send_found(res, found, name, options)
end

-- A path of the program's own.
local function send_path(res, path, options)
  check.path(path, 1, "file")
  local found, message, code = place.open(path, is_packed_wanted(res.request, options))
  if not found then return nil, message, code end
  return send_found(res, found, path, options)
end

local USUAL = { index = "index.html", headers = NONE }

local function read_options(options, index, name, ...)
  options = check.options(options, index, name, FILE, ...)
  if not options then return USUAL end
  local file = options.index
  if file ~= nil and file ~= false and type(file) ~= "string" then
    check.refuse(index, name, "option 'index' must be the name of a file, or false")
  elseif file and string.find(file, "[/%z]") then
    check.refuse(index, name, "option 'index' must be the name of a file")
  end
  if file == nil then options.index = "index.html" end
  options.headers = options.headers or NONE
  for key in next, options.headers do
    if type(key) ~= "string" then
      check.refuse(index, name, "option 'headers' must have names that are strings")
    end
  end
  return options
end

---Answers a request with a file. With the option `root` the path is one of a URL, and what cannot
---be had is answered, too; else one of the system's, and what cannot be opened is a failure.
---@async
---@param res kio.http.Response
---@param path string
---@param options? kio.http.FilesOptions
---@return kio.http.Response|nil
---@return string? message
---@return string? code
function static.send(res, path, options, ...)
  check.type(path, "string", 1, "file", "a path")
  options = read_options(options, 2, "file", ...)
  if options.root then return send_below(res, path, options) end
  return send_path(res, path, options)
end

---Answers with the file that the request's path names below the root.
---@async
---@param req kio.http.Request
---@param res kio.http.Response
---@param options kio.http.FilesOptions that were read
function static.answer(req, res, options)
  if req.method ~= "GET" and req.method ~= "HEAD" then
    return refuse(res, 405, { allow = "GET, HEAD" })
  end
  send_below(res, place.path_of(req.target), options)
end

---A handler that answers GET and HEAD with the files below a folder: of the right type, in ranges,
---only when they have changed; names that begin with a dot are not found, a folder is answered with
---its index.html.
---@param root string
---@param options? kio.http.FilesOptions
---@return kio.http.Handler
function static.files(root, options, ...)
  check.path(root, 1, "files")
  options = read_options(options or {}, 2, "files", ...)
  options.root = root
  local answer = static.answer
  return function(req, res) answer(req, res, options) end
end

return static
