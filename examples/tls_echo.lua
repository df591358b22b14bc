-- An echo server that speaks TLS, and takes a new certificate when it gets SIGHUP, without closing
-- anything: connections that are there go on, the next ones see the new certificate.
-- needs: kio.tls openssl
-- expect: ant sees the certificate of old.example
-- expect: the certificate is a new one
-- expect: bee sees the certificate of new.example
-- expect: ant: still here
-- expect: bee: hello
local kio = require "kio"
local tls = require "kio.tls"
local new_certificate = require "examples.tls.certificate"

local function echo(stream)
  for data in stream:chunks() do
    if not stream:write(data) then return end
  end
end

kio.run(function()
  local path = os.tmpname() -- a program that renews certificates writes it
  assert(kio.fs.write_file(path, new_certificate "old.example"))
  local context = assert(tls.context { cert = path })
  local reloaded = kio.sync.event()
  kio.spawn { daemon = true, function()
    kio.signal.on("HUP", function()
      local ok, message = context:replace { cert = path }
      print(ok and "the certificate is a new one" or message) -- which leaves the old one there
      reloaded:set()
    end)
  end }

  local listener = assert(kio.net.listen "127.0.0.1:0")
  local serving = kio.spawn(listener.serve, listener, echo, { tls = context })

  local function client(who, name)
    local options = { name = name, ca = path, timeout = 5 }
    local stream = assert(tls.connect(listener:address(), options))
    print(who .. " sees the certificate of " .. stream:tls().peer.names[1])
    return stream
  end

  local ant <close> = client("ant", "old.example")
  assert(kio.fs.write_file(path, new_certificate "new.example"))
  kio.process.run { "sh", "-c", "kill -HUP $PPID" } -- as that program would
  reloaded:wait()
  local bee <close> = client("bee", "new.example")
  print("ant: " .. ant:write("still here\n"):read "l")
  print("bee: " .. bee:write("hello\n"):read "l")
  ant:close()
  bee:close()
  listener:close()
  serving:await()
  os.remove(path)
end)
