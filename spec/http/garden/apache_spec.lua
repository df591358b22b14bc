-- Apache and kio, in a row: no two read where a request ends in two ways. But for HTTP/0.9, whose
-- answers have no heads and cannot be told from others.
-- flavours: test
-- without: epoll lua55
local garden = require "spec.http.garden.garden"
local peers = require "spec.peers.common"

local MODULES <const> = "/usr/lib/apache2/modules/mod_"

local function load_modules(names)
  local lines = {}
  for name in names:gmatch "%S+" do
    lines[#lines + 1] = ("LoadModule %s_module %s%s.so\n"):format(name, MODULES, name)
  end
  return table.concat(lines)
end

local tests = garden.tests {
  command = "apache2 -X -f FOLDER/conf",
  conf = load_modules "mpm_event authz_core headers proxy proxy_http" .. [[
ServerRoot FOLDER
DefaultRuntimeDir FOLDER
PidFile FOLDER/pid
ErrorLog FOLDER/log
ServerName a
User www-data
Listen 127.0.0.1:PORT
AcceptFilter http none
HttpProtocolOptions Require1.0
ThreadsPerChild 4
ServerLimit 1
StartServers 1
MaxRequestWorkers 4
RequestHeader set X-Stamp here
ProxyPreserveHost On
ProxyPass / http://ORIGIN/
]],
}

describe("apache2", function()
  for name, test in pairs(tests) do
    it(name, function()
      peers.need(pending, "apache2")
      test()
    end)
  end
end)
