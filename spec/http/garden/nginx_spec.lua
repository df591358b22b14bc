-- nginx and kio, in a row: no two read where a request ends in two ways.
-- flavours: test
-- without: epoll lua55
local garden = require "spec.http.garden.garden"
local peers = require "spec.peers.common"

local tests = garden.tests {
  command = "nginx -e FOLDER/log -c FOLDER/conf",
  conf = [[
daemon off; master_process off; pid FOLDER/pid; error_log FOLDER/log crit;
events {}
http {
  access_log off; client_body_temp_path FOLDER/b; proxy_temp_path FOLDER/p;
  fastcgi_temp_path FOLDER/f; uwsgi_temp_path FOLDER/u; scgi_temp_path FOLDER/s;
  upstream kio { server ORIGIN; keepalive 4; }
  server {
    listen 127.0.0.1:PORT;
    location / {
      proxy_pass http://kio; proxy_http_version 1.1; proxy_request_buffering off;
      proxy_ignore_client_abort on; proxy_next_upstream off;
      proxy_set_header Connection ""; proxy_set_header Host $http_host;
      proxy_set_header X-Stamp here;
    }
  }
}
]],
}

describe("nginx", function()
  for name, test in pairs(tests) do
    it(name, function()
      peers.need(pending, "nginx")
      test()
    end)
  end
end)
