-- nginx against kio: as a server, and as a proxy in front of one, for streams and for HTTP.
-- flavours: test
-- timeout: 120
local common = require "spec.tls.peers.common"
local http = require "spec.peers.http"
local material = require "spec.tls.material"
local peers = require "spec.peers.common"

local DATA = common.DATA

-- One process, whose files are all in the folder. It listens at Unix sockets, since nginx cannot
-- choose a port itself.
local CONFIGURATION = [[
daemon off; master_process off; pid FOLDER/pid; error_log FOLDER/log warn;
events { worker_connections 64; }
stream {
  proxy_half_close on;
  server {
    listen unix:FOLDER/server.sock ssl; proxy_pass BEHIND;
    ssl_certificate SERVER; ssl_certificate_key SERVER; ssl_protocols LONG; ssl_alpn kio-test;
    ssl_client_certificate CA; ssl_verify_client on;
  }
  server {
    listen unix:FOLDER/stream.sock; proxy_pass BEHIND; proxy_half_close off;
    proxy_ssl on; CALL
  }
}
http {
  access_log off; client_max_body_size 0; proxy_buffering off; proxy_request_buffering off;
  client_body_temp_path FOLDER/body; proxy_temp_path FOLDER/proxy;
  fastcgi_temp_path FOLDER/fastcgi; uwsgi_temp_path FOLDER/uwsgi; scgi_temp_path FOLDER/scgi;
  server {
    listen unix:FOLDER/https.sock ssl; root FOLDER;
    ssl_certificate SERVER; ssl_certificate_key SERVER; ssl_protocols LONG;
    ssl_client_certificate CA; ssl_verify_client on;
  }
  server {
    listen unix:FOLDER/http.sock;
    location / { proxy_pass https://BEHIND; proxy_http_version 1.1; CALL }
  }
}
]]

local CALL = [[proxy_ssl_protocols LONG; proxy_ssl_certificate CLIENT;
    proxy_ssl_certificate_key CLIENT; proxy_ssl_trusted_certificate CA; proxy_ssl_verify on;
    proxy_ssl_name localhost; proxy_ssl_server_name on; proxy_ssl_session_reuse on;]]

local MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so" -- Debian builds it apart
local function load_module()
  local file <close> = io.open(MODULE)
  return file and ("load_module %s; "):format(MODULE) or ""
end

-- Runs f while nginx has `behind` behind it; what it has logged is told when f fails.
local function with_nginx(case, files, behind, f)
  local words = {
    FOLDER = files.folder, SERVER = files.server, CLIENT = files.client, CA = files.ca,
    LONG = case.long, BEHIND = behind,
  }
  local text = load_module() .. CONFIGURATION:gsub("CALL", CALL):gsub("%u+", words)
  local path = files.folder .. "/nginx.conf"
  do
    local file <close> = assert(io.open(path, "wb"))
    assert(file:write(text))
  end
  local nginx <close> = peers.start(("nginx -c %s -e %s/log"):format(path, files.folder))
  local fine, message = pcall(f)
  nginx:kill()
  local said = nginx:wait()
  if fine then return end
  error(tostring(message) .. "\nnginx: " .. said .. peers.content(files.folder .. "/log"), 0)
end

describe("nginx", function()
  local tls, why = material.find()
  if not tls then return it("is skipped", function() pending(why) end) end

  describe("serves kio's client, and what is behind is plain:", function()
    common.each(it, pending, { "nginx" }, function(case, files)
      peers.serving(function(stream)
        for data in stream:chunks() do assert(stream:write(data)) end
        assert(stream:write "and the last words")
      end, function(address)
        with_nginx(case, files, address, function()
          local context = common.client_context(case)
          local socket = "unix:" .. files.folder .. "/server.sock"
          for _, resumed in ipairs { false, true } do
            local stream <close> = common.connect(socket, context, case)
            common.exchange(stream)
            assert.equal(resumed, stream:tls().resumed)
            assert(stream:shutdown "write") -- half of it is over, and the rest comes
            assert.equal("and the last words", stream:read(18))
            -- nginx ends the connection here, and not TLS.
            assert.equal("TLS_TRUNCATED", select(3, stream:recv()))
          end
        end)
      end)
    end)
  end)

  describe("serves kio's client files:", function()
    common.each(it, pending, { "nginx" }, function(case, files)
      case.protocol = "http/1.1"
      with_nginx(case, files, "127.0.0.1:1", function()
        local context = common.client_context(case, { alpn = { case.protocol } })
        local socket = "unix:" .. files.folder .. "/https.sock"
        for _, resumed in ipairs { false, true } do
          local stream <close> = common.connect(socket, context, case)
          assert(stream:write "GET /data HTTP/1.0\r\n\r\n")
          assert.matches("^HTTP/1.1 200 OK\r\n", stream:read_until "\r\n\r\n")
          assert.is_true(stream:read "a" == DATA) -- and its end is no truncation
          assert.equal(resumed, stream:tls().resumed)
        end
      end)
    end)
  end)

  describe("in front of kio's server, for streams:", function()
    common.each(it, pending, { "nginx" }, function(case, files)
      case.protocol = false
      local handler, resumed = common.handler(case, function(stream)
        common.exchange(stream)
        common.expect_end(stream)
      end)
      peers.serving(handler, function(address)
        with_nginx(case, files, address, function()
          for _ = 1, 2 do
            local stream <close> = peers.connect("unix:" .. files.folder .. "/stream.sock")
            common.exchange(stream)
            assert(stream:close())
          end
        end)
      end, nil, common.server_context(case))
      assert.same({ false, true }, resumed)
    end)
  end)

  describe("in front of kio's server, for HTTP:", function()
    common.each(it, pending, { "nginx" }, function(case, files)
      case.protocol = false
      local got
      local handler, resumed = common.handler(case, http.handler(function(stream, request)
        if request.method == "PUT" then got = http.read_body(stream, request) end
        http.answer(stream, request, "200 OK", request.method == "PUT" and "" or DATA, true)
        return true
      end))
      peers.serving(handler, function(address)
        with_nginx(case, files, address, function()
          local head = "%s / HTTP/1.0\r\nContent-Length: %d\r\n\r\n"
          for _, sent in ipairs { DATA, "" } do
            local stream <close> = peers.connect("unix:" .. files.folder .. "/http.sock")
            local method = sent == "" and "GET" or "PUT"
            assert(stream:write(head:format(method, #sent), sent))
            assert.matches("^HTTP/1.1 200 OK\r\n", stream:read_until "\r\n\r\n")
            assert.is_true(stream:read "a" == (sent == "" and DATA or ""))
          end
          assert.is_true(got == DATA)
        end)
      end, nil, common.server_context(case))
      assert.same({ false, true }, resumed)
    end)
  end)
end)
