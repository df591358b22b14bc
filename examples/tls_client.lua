-- A client that asks a web server by TLS, as a browser does: it verifies who that is. The server is
-- here, too, and knows just enough HTTP for it.
-- needs: kio.tls openssl
-- expect: HTTP/1.1 200 OK: Hello, you are in.
-- expect: TLSv1.3, the certificate is for shop.example
-- expect: another name: TLS_CERT
-- expect-match: ^certificate verify failed: name mismatch %(has shop%.example
-- expect: without its authority: TLS_CERT
local kio = require "kio"
local tls = require "kio.tls"
local new_certificate = require "examples.tls.certificate"

local function answer(stream)
  local request = stream:read_until "\r\n\r\n"
  if not request then return end
  local body = "Hello, you are in.\n"
  stream:write("HTTP/1.1 200 OK\r\nContent-Length: ", #body, "\r\n\r\n", body)
end

-- The status line and the body of what the server has at this path.
local function get(stream, host, path)
  stream:write("GET ", path, " HTTP/1.1\r\nHost: ", host, "\r\nConnection: close\r\n\r\n")
  local head = assert(stream:read_until "\r\n\r\n")
  return head:match "^[^\r]+", stream:read "l"
end

kio.run(function()
  local certificate = new_certificate("shop.example", "127.0.0.1")
  local listener = assert(kio.net.listen "127.0.0.1:0")
  local serving = kio.spawn(listener.serve, listener, answer, {
    tls = assert(tls.context { cert = certificate }), on_error = function() end,
  })
  local address = listener:address()

  -- `name` is what an address in a program mostly has already: "shop.example:443".
  local options = { name = "shop.example", ca = certificate, timeout = 5 }
  local stream <close> = assert(tls.connect(address, options))
  print(table.concat({ get(stream, "shop.example", "/") }, ": "))
  local info = stream:tls()
  print(info.version .. ", the certificate is for " .. info.peer.names[1])

  options.name = "bank.example"
  local _, message, code = tls.connect(address, options)
  print("another name: " .. code)
  print((message:gsub("^connect [^ ]+: ", "")))

  local _, _, unknown = tls.connect(address, { name = "shop.example" })
  print("without its authority: " .. unknown)
  listener:close()
  serving:await()
end)
