-- HAProxy and kio, in a row: no two read where a request ends in two ways.
-- flavours: test
-- without: epoll lua55
local garden = require "spec.http.garden.garden"
local peers = require "spec.peers.common"

local tests = garden.tests {
  command = "haproxy -db -q -f FOLDER/conf",
  conf = [[
global
  maxconn 100
defaults
  mode http
  timeout connect 20s
  timeout client 20s
  timeout server 20s
  retries 0
frontend all
  bind 127.0.0.1:PORT
  http-request set-header X-Stamp here
  default_backend kio
backend kio
  http-reuse always
  server kio ORIGIN
]],
}

describe("haproxy", function()
  for name, test in pairs(tests) do
    it(name, function()
      peers.need(pending, "haproxy")
      test()
    end)
  end
end)
