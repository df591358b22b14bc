-- HTTP with kio: /hello, /echo (a JSON text comes back), /file (FOLDER/file). Argument: FOLDER.
local http = require "kio.http"
local kio = require "kio"

local folder = arg[1]

local answers = {
  ["/hello"] = function() return "hello, world\n" end,
  ["/echo"] = function(req) return 200, { ["Content-Type"] = "application/json" }, req:body() end,
  ["/file"] = function(_, res) res:file(folder .. "/file") end,
}

kio.run(function()
  local listener = assert(kio.net.listen "127.0.0.1:0")
  print("ready " .. listener:address():match ":(%d+)$")
  io.stdout:flush()
  http.serve(listener, function(req, res) return answers[req.path](req, res) end)
end)
