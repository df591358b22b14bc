---Lines of an access log from the records that a server gives its option `log`.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local date = require "kio.http.date"

---@class kio.http.log
local log = {}

-- What came from outside cannot end the line, nor the quotes around it, nor move a terminal.
local function escaped(text)
  return (string.gsub(text, '[%c"\\\127-\255]', function(byte)
    return string.format("\\x%02x", string.byte(byte))
  end))
end

local function quoted(text)
  return type(text) == "string" and '"' .. escaped(text) .. '"' or '"-"'
end

-- "127.0.0.1:4711" and "[::1]:4711" without the port.
local function host_of(peer)
  return peer and (string.match(peer, "^%[(.*)%]:%d+$") or string.match(peer, "^([^:]*):%d+$")
    or escaped(peer)) or "-"
end

local function time_of(time)
  local t = os.date("!*t", time)
  return string.format("%02d/%s/%d:%02d:%02d:%02d +0000", t.day, date.months[t.month], t.year,
    t.hour, t.min, t.sec)
end

local function request_of(record)
  if not record.method then return nil end
  return string.format("%s %s HTTP/%s", record.method, record.target, record.version)
end

local TEXTS = { "peer", "method", "target", "version" }

-- That it is one as servers give them; a program may have made it.
local function check_record(record, time, name, ...)
  check.type(record, "table", 1, name, "a record")
  for _, field in ipairs(TEXTS) do
    local what = "a string as field '" .. field .. "'"
    if record[field] ~= nil then check.type(record[field], "string", 1, name, what) end
  end
  check.count(record.status, 1, name, "field 'status'")
  check.count(record.sent, 1, name, "field 'sent'")
  if record.seconds ~= nil then check.seconds(record.seconds, 1, name) end
  if time ~= nil then check.count(time, 2, name) end
  check.no_more(2, name, ...)
end

local function headers_of(record)
  local headers = record.headers
  return (type(headers) == "table" or check.kind(headers) == "kio.http.Headers") and headers or {}
end

local function common(record, time)
  return string.format("%s - - [%s] %s %d %d", host_of(record.peer), time_of(time),
    quoted(request_of(record)), record.status, record.sent)
end

---A line in the Common Log Format, without its end.
---@param record kio.http.Record
---@param time? integer seconds since 1970 (now)
---@return string
function log.common(record, time, ...)
  check_record(record, time, "common", ...)
  return common(record, time)
end

---The same with the fields Referer and User-Agent: the Combined Log Format.
---@param record kio.http.Record
---@param time? integer
---@return string
function log.combined(record, time, ...)
  check_record(record, time, "combined", ...)
  local headers = headers_of(record)
  return string.format("%s %s %s", common(record, time), quoted(headers.referer),
    quoted(headers["user-agent"]))
end

-- JSON has \u00XX for bytes of which nobody knows what letters they are.
local function json_text(text)
  return '"' .. string.gsub(text, '[%c"\\\127-\255]', function(byte)
    return string.format("\\u%04x", string.byte(byte))
  end) .. '"'
end

---An object of JSON in one line: time, peer, method, target, version, status, bytes, seconds, and
---referer and agent where there are such.
---@param record kio.http.Record
---@param time? integer
---@return string
function log.json(record, time, ...)
  check_record(record, time, "json", ...)
  local headers, parts = headers_of(record), {}
  local function add(name, value)
    if value then parts[#parts + 1] = string.format("%q:%s", name, value) end
  end
  local function add_text(name, text) add(name, type(text) == "string" and json_text(text)) end
  add("time", string.format('"%s"', os.date("!%Y-%m-%dT%H:%M:%SZ", time)))
  add_text("peer", record.peer)
  add_text("method", record.method)
  add_text("target", record.target)
  add_text("version", record.version)
  add("status", string.format("%d", record.status))
  add("bytes", string.format("%d", record.sent))
  add("seconds", record.seconds and string.format("%.6f", record.seconds))
  add_text("referer", headers.referer)
  add_text("agent", headers["user-agent"])
  return "{" .. table.concat(parts, ",") .. "}"
end

return log
