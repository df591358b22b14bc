-- Files over HTTP: PUT stores one as its bytes come, GET sends it. However large it is, a piece of
-- it is in memory at a time. A file that has not come whole is not seen.
-- expect: PUT 201 stored 1000000 bytes
-- expect: GET 200 1000000 bytes, the same
-- expect: GET 404
local kio = require "kio"
local http = require "kio.http"

local folder = os.tmpname() .. "-files"

local function store(req)
  local path = ("%s/%s"):format(folder, req.params.name)
  local file <close> = assert(kio.fs.open(path .. ".part", "w"))
  local size = 0
  for piece in req:chunks { max = 1 << 30 } do
    assert(file:write(piece))
    size = size + #piece
  end
  assert(file:close())
  assert(kio.fs.rename(path .. ".part", path))
  return 201, nil, ("stored %d bytes"):format(size)
end

local function fetch(req)
  local file, _, code = kio.fs.open(("%s/%s"):format(folder, req.params.name))
  if code == "ENOENT" then return 404 end
  return 200, { ["Content-Type"] = "application/octet-stream" }, assert(file)
end

-- Names are letters, digits and dots inside: nobody leaves the folder.
local function checked(handler)
  return function(req)
    if not req.params.name:find "^%w[%w.]*$" then return 400 end
    return handler(req)
  end
end

local routes = http.router():put("/files/:name", checked(store)):get("/files/:name", checked(fetch))

kio.run(function()
  assert(kio.fs.mkdir(folder))
  local listener = assert(kio.net.listen "127.0.0.1:0")
  local serving = kio.spawn(http.serve, listener, routes:handler())
  local data, client = ("0123456789"):rep(100000), http.client()
  local url = ("http://%s/files/"):format(listener:address())
  local res = assert(client:request(url .. "data.bin", { method = "PUT", body = data }))
  print(("PUT %d %s"):format(res.status, res:body()))
  res = assert(client:get(url .. "data.bin"))
  local body = assert(res:body())
  print(("GET %d %d bytes, %s"):format(res.status, #body, body == data and "the same" or "another"))
  print("GET " .. assert(client:get(url .. "nothing")).status)
  client:close()
  listener:close()
  serving:await()
  assert(kio.fs.remove(folder, { recursive = true }))
end)
