-- A garden of servers: the same bytes through proxies that others have written, to a server of
-- kio's that writes down what it has read. Each proxy stamps the requests it passes on, so that who
-- takes part of a body for a request, or a request for part of a body, is found out: by a request
-- without the stamp, a stamp within a body, or an answer that nobody or another one got.
local assert = require "luassert"
local exchanges = require "spec.http.garden.exchanges"
local kio = require "kio"
local peers = require "spec.peers.common"
local server = require "spec.http.server.common"
local smuggling = require "spec.http.smuggling"
local support = require "spec.support"

local garden = {}

-- ---- the server behind, and what is in front of all ----

-- It answers with the number that a request has among all it has read.
local function origin(records)
  return function(req)
    local body = assert(req:body())
    records[#records + 1] = { method = req.method, target = req.target, body = body,
      case = req.headers["X-Case"], stamp = req.headers["X-Stamp"], answers = 0 }
    return exchanges.answer(req, { ["X-Seen"] = #records })
  end
end

-- The handler of examples/http_proxy.lua, which is a program of its own.
local function example()
  local file <close> = assert(io.open "examples/http_proxy.lua")
  local handler = file:read "a":match "^(.-)\nlocal function serve"
  return assert(load(handler .. "\nreturn proxy", "=examples/http_proxy.lua"))()
end

-- Runs f(address) when `front` says so in front of kio's proxy example, too.
local function through(front, address, f)
  if front ~= "example" then return f(address) end
  server.serving(example() { address }, f, nil, { on_error = function() end })
end

-- ---- what could be read in two ways ----

-- The bytes of each case, with what tells it from others, and a request behind it.
local function cases()
  local list = {}
  local function add(bytes)
    local number = #list + 1
    list[number] = bytes:gsub("\r\nHost: a\r\n", ("%%0X-Case: %d\r\n"):format(number), 1)
      .. ("GET /after HTTP/1.1\r\nHost: a\r\nX-Case: %d\r\n\r\n"):format(number)
  end
  for _, case in ipairs(smuggling.HEADS) do
    add(case[1])
    add(case[1] .. "\r\n") -- where the lines were not ended
    add(case[1] .. "\r\n0\r\n\r\nGET /within HTTP/1.1\r\nHost: a\r\n\r\n")
    add(case[1] .. "0\r\n\r\nGET /within HTTP/1.1\r\nHost: a\r\n\r\n")
  end
  for _, case in ipairs(smuggling.CHUNKS) do
    add(smuggling.ENCODED .. case[1])
    add(smuggling.ENCODED .. case[1] .. "GET /within HTTP/1.1\r\nHost: a\r\n\r\n")
  end
  return list
end

-- Counts the answers to one connection, which must be to requests of this case.
local function note_answers(records, text, case, wrong)
  local count = 0
  for number in text:lower():gmatch "\r\nx%-seen: (%d+)" do
    local record = records[tonumber(number)]
    record.answers, count = record.answers + 1, count + 1
    if record.case and record.case ~= case then
      wrong[#wrong + 1] = ("%s has the answer to %s"):format(case, record.case)
    end
  end
  return count
end

-- All that comes back for the bytes; the client ends its side when it has sent them.
local function send_all(address, bytes)
  local stream <close> = server.connect(address)
  stream:write(bytes)
  stream:shutdown "write"
  local parts = {}
  for piece in function() return (stream:recv(65536, { timeout = 20 })) end do
    parts[#parts + 1] = piece
  end
  return table.concat(parts)
end

local function try_case(address, records, number, bytes, wrong)
  local case, other = tostring(number), "other-" .. number
  note_answers(records, send_all(address, bytes), case, wrong)
  local text = send_all(address, server.get("/", ("X-Case: %s\r\n"):format(other)))
  if note_answers(records, text, other, wrong) ~= 1 or not text:find "^HTTP/1.1 200 " then
    wrong[#wrong + 1] = ("a request after case %s: %q"):format(case, text)
  end
end

local function look_at(records, list, wrong)
  for _, record in ipairs(records) do
    local good = record.stamp == "here" and record.answers == 1
      and not record.body:lower():find("x-stamp", 1, true)
      and (record.target ~= "/after" or record.method == "GET" and record.body == "")
    if not good then
      wrong[#wrong + 1] = ("%s %s, stamp %s, %d answers, body %q of case %s: %q"):format(
        record.method, record.target, record.stamp, record.answers, record.body, record.case,
        list[tonumber(record.case)])
    end
  end
end

local function disagreements(address, records)
  local wrong, list = {}, cases()
  for number, bytes in ipairs(list) do try_case(address, records, number, bytes, wrong) end
  look_at(records, list, wrong)
  return wrong
end

-- ---- the specs of one proxy ----

-- Runs f(address, records) with the proxy between kio's server and its example or a client.
-- `plant`: command, and files by name, in which PORT, ORIGIN and FOLDER are put in.
local function planted(plant, front, f)
  local folder, port, records = support.tmpdir(), support.free_port(), {}
  peers.run(function()
    server.serving(origin(records), function(address)
      local function fill(text)
        return (text:gsub("FOLDER", folder):gsub("PORT", port):gsub("ORIGIN", address))
      end
      assert(kio.fs.write_file(folder .. "/conf", fill(plant.conf)))
      local process <close> = peers.start(fill(plant.command))
      local proxy = "127.0.0.1:" .. port
      peers.connect(proxy):close()
      local fine, message = pcall(through, front, proxy, function(at) f(at, records) end)
      process:kill "TERM"
      process:wait()
      if not fine then error(message, 0) end
    end, nil, { on_error = function() end })
  end)
end

-- What a spec of this proxy shows: names and functions.
function garden.tests(plant)
  local list = {}
  for _, place in ipairs { { "client", "in front of kio" }, { "example", "behind kio's proxy" } } do
    local front, words = table.unpack(place)
    list[words .. ", reads requests as kio does"] = function()
      planted(plant, front, function(address, records)
        assert.same({}, disagreements(address, records))
      end)
    end
    list[words .. ", passes everything on as it is"] = function()
      planted(plant, front, exchanges.one_by_one)
      planted(plant, front, exchanges.pipelined)
    end
  end
  return list
end

return garden
