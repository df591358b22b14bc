-- A protocol that begins in the clear and goes on by TLS on the same connection, as mail does. What
-- somebody has slipped in before the handshake is part of no conversation: it breaks the handshake.
-- needs: kio.tls openssl
-- expect: client: 220 ready to start TLS
-- expect: server: LOGIN ann, by TLSv1.3
-- expect: client: 250 welcome, ann
-- expect: server: an injected command: TLS_PROTOCOL
local kio = require "kio"
local tls = require "kio.tls"
local new_certificate = require "examples.tls.certificate"

local function serve_mail(stream, context)
  for line in stream:lines() do
    if line == "STARTTLS" then
      stream:write "220 ready to start TLS\n"
      local ok, _, code = tls.server(stream, context, { timeout = 5 })
      if not ok then return print("server: an injected command: " .. code) end
    elseif stream:tls() then
      print("server: " .. line .. ", by " .. stream:tls().version)
      stream:write("250 welcome, ", line:match "%a+$", "\n")
    else
      stream:write "530 STARTTLS first\n"
    end
  end
end

local function login(address, certificate)
  local stream <close> = assert(kio.net.connect(address))
  stream:write "STARTTLS\n"
  print("client: " .. stream:read "l")
  assert(tls.client(stream, { name = "mail.example", ca = certificate, timeout = 5 }))
  print("client: " .. stream:write("LOGIN ann\n"):read "l")
end

local function inject(address)
  local stream <close> = assert(kio.net.connect(address))
  stream:write "STARTTLS\nLOGIN mallory\n"
  stream:read "a"
end

kio.run(function()
  local certificate = new_certificate "mail.example"
  local context = assert(tls.context { cert = certificate })
  local listener = assert(kio.net.listen "127.0.0.1:0")
  local serving = kio.spawn(function()
    return listener:serve(function(stream) serve_mail(stream, context) end)
  end)
  login(listener:address(), certificate)
  inject(listener:address())
  listener:close()
  serving:await()
end)
