-- A site of files over HTTP: types, parts, conditions, packed neighbours, nothing outside of its
-- folder. Given a folder and an address it serves there; else a small site to one client, itself.
-- Run: lua5.4 examples/http_static.lua [folder address]
-- needs: kio.zlib
-- expect: 200 text/html; charset=utf-8 11 bytes
-- expect: 206 bytes 3-6/11 page
-- expect: 304
-- expect: 404
-- expect: gzip <p>page</p>
local http = require "kio.http"
local kio = require "kio"

local function serve(root, address)
  local files = http.files(root, { precompressed = true })
  local function log(record) io.stdout:write(http.log.combined(record), "\n") end
  return http.serve(address, files, { log = log, stop_signals = { "TERM", "INT" } })
end

-- Asks on a connection of its own: the status, the fields by their names in lower case, the body.
local function get(address, path, fields)
  local stream <close> = assert(kio.net.connect(address))
  stream:write("GET ", path, " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n", fields or "", "\r\n")
  local head, headers = stream:read_until "\r\n\r\n", {}
  for name, value in head:gmatch "\n([^:]+): ([^\r\n]*)" do headers[name:lower()] = value end
  return head:match "^HTTP/1.1 (%d+)", headers, stream:read "a"
end

local function say(...) io.write(table.concat({ ... }, " "), "\n") end

local function demonstrate(root)
  local zlib = require "kio.zlib"
  local listener = assert(kio.net.listen "127.0.0.1:0")
  local address = listener:address()
  kio.spawn(http.serve, listener, http.files(root, { precompressed = true }))
  local status, headers, body = get(address, "/")
  say(status, headers["content-type"], #body .. " bytes")
  local etag, _ = headers.etag, nil
  status, headers, body = get(address, "/index.html", "Range: bytes=3-6\r\n")
  say(status, headers["content-range"], body)
  say((get(address, "/", "If-None-Match: " .. etag .. "\r\n")))
  say((get(address, "/../secret")))
  assert(kio.fs.write_file(root .. "/index.html.gz", zlib.compress "<p>page</p>"))
  _, headers, body = get(address, "/", "Accept-Encoding: gzip\r\n")
  say(headers["content-encoding"], (zlib.decompress(body)))
  listener:close()
end

kio.run(function()
  if arg[1] then return assert(serve(arg[1], arg[2] or "127.0.0.1:8080")) end
  local root = os.tmpname()
  assert(kio.fs.remove(root) and kio.fs.mkdir(root))
  assert(kio.fs.write_file(root .. "/index.html", "<p>page</p>"))
  demonstrate(root)
  kio.fs.remove(root, { recursive = true })
end)
