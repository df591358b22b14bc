-- A JSON API over a list in memory: notes are added, read, listed and removed.
-- expect: POST /notes 201 {"id":1,"text":"buy milk"}
-- expect: GET /notes/1 200 {"id":1,"text":"buy milk"}
-- expect: GET /notes 200 [{"id":1,"text":"buy milk"}]
-- expect: DELETE /notes/1 204
-- expect: POST /notes 400 {"error":"a note has a text"}
local kio = require "kio"
local http = require "kio.http"

local JSON <const> = { ["Content-Type"] = "application/json" }
local notes, last = {}, 0

local function encoded(note) return ('{"id":%d,"text":"%s"}'):format(note.id, note.text) end
local function refused(status, why) return status, JSON, ('{"error":"%s"}'):format(why) end

local function add(req)
  local text = assert(req:body { max = 4096 }):match '^%s*{%s*"text"%s*:%s*"([^%c"\\]*)"%s*}%s*$'
  if not text then return refused(400, "a note has a text") end
  last = last + 1
  notes[last] = { id = last, text = text }
  return 201, JSON, encoded(notes[last])
end

local function list()
  local parts = {}
  for id = 1, last do parts[#parts + 1] = notes[id] and encoded(notes[id]) end
  return 200, JSON, "[" .. table.concat(parts, ",") .. "]"
end

local function with_note(f)
  return function(req)
    local note = notes[math.tointeger(tonumber(req.params.id))]
    if not note then return refused(404, "no such note") end
    return f(note)
  end
end

local function read(note) return 200, JSON, encoded(note) end
local function remove(note) notes[note.id] = nil return 204 end

local routes = http.router():post("/notes", add):get("/notes", list)
  :get("/notes/:id", with_note(read)):delete("/notes/:id", with_note(remove))

kio.run(function()
  local listener = assert(kio.net.listen "127.0.0.1:0")
  kio.spawn(http.serve, listener, routes:handler())
  local client <close> = http.client()
  local function call(method, path, body)
    local url = "http://" .. listener:address() .. path
    local res = assert(client:request(url, { method = method, body = body }))
    print(("%s %s %d %s"):format(method, path, res.status, assert(res:body())):match "^.*%S")
  end
  call("POST", "/notes", '{"text": "buy milk"}')
  call("GET", "/notes/1")
  call("GET", "/notes")
  call("DELETE", "/notes/1")
  call("POST", "/notes", "nonsense")
  listener:close()
end)
