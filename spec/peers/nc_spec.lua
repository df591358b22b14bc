-- OpenBSD's nc at the other end: half-closed connections, both ways, over TCP and Unix sockets.
-- Starts programs from the process, which ThreadSanitizer does not bear:
-- flavours: test asan hostile
-- timeout: 120
local kio = require "kio"
local peers = require "spec.peers.common"
local support = require "spec.support"

-- Which of the programs of that name it is shows in its help.
local function need_nc()
  peers.need(pending, "nc")
  if not os.execute "nc -h 2>&1 | grep -q OpenBSD" then pending "nc is not OpenBSD's" end
end

local function tcp() return "127.0.0.1:0" end
local function unix() return "unix:" .. support.tmpdir() .. "/socket" end

-- An address as arguments of nc.
local function arguments(address)
  local path = address:match "^unix:(.*)"
  if path then return "-U " .. path end
  return (address:gsub(":(%d+)$", " %1"))
end

for kind, own in pairs { TCP = tcp, ["a Unix socket"] = unix } do
  describe("nc, over " .. kind .. ",", function()
    it("ends its half and still gets the answer", function()
      need_nc()
      local data = peers.bytes(peers.size(4 << 20))
      local file = peers.file(data)
      peers.run(function()
        peers.serving(function(stream)
          local got = assert(stream:read("a", { max = #data }))
          assert.is_true(got == data)
          assert(stream:write("got ", #got, "\n"))
        end, function(address)
          local text = peers.output("nc -N " .. arguments(address), { input = file })
          assert.equal(("got %d\n"):format(#data), text)
        end, own())
      end)
    end)

    it("goes on sending when the server has ended its half", function()
      need_nc()
      peers.run(function()
        peers.serving(function(stream)
          assert(stream:write "that is all\n")
          assert(stream:shutdown "write")
          assert.equal("and now me", stream:read "l")
          assert.is_nil(stream:read "l")
        end, function(address)
          local nc <close> = peers.start("nc -N " .. arguments(address), { input = true })
          nc:expect "^that is all$"
          nc.input:write "and now me\n"
          assert.same({ "", 0 }, { nc:wait() })
        end, own())
      end)
    end)

    it("gets a line back for each it sends, until it has enough", function()
      need_nc()
      peers.run(function()
        peers.serving(function(stream)
          for line in stream:lines() do assert(stream:write(line:reverse(), "\n")) end
        end, function(address)
          local nc <close> = peers.start("nc -N " .. arguments(address), { input = true })
          for i = 1, 20 do
            nc.input:write("line ", i, "\n")
            nc:expect("^" .. ("line " .. i):reverse() .. "$")
          end
          assert.same({ "", 0 }, { nc:wait() })
        end, own())
      end)
    end)
  end)
end

describe("nc as the server", function()
  -- It leaves when its peer has ended, so it has to end first.
  it("talks with kio, and ends its half before it gets the last words", function()
    need_nc()
    peers.run(function()
      local nc <close> = peers.start("nc -v -N -l 127.0.0.1 0", { input = true })
      local stream <close> = peers.connect("127.0.0.1:" .. nc:expect "^Listening on %S+ (%d+)$")
      nc:expect "^Connection received"
      assert(stream:write "from kio\n")
      nc:expect "^from kio$"
      nc.input:write "from nc\n"
      assert.equal("from nc", stream:read "l")
      nc.input:close()
      assert.is_nil(stream:read "l")
      assert(stream:write "the last words\n")
      assert(stream:close())
      assert.same({ "the last words\n", 0 }, { nc:wait() })
    end)
  end)

  it("is reached on a Unix socket that it has just made", function()
    need_nc()
    local path, data = support.tmpdir() .. "/socket", peers.bytes(peers.size(1 << 20))
    local file = peers.file(data)
    peers.run(function()
      local nc <close> = peers.start("nc -N -l -U " .. path, { input = file })
      local stream <close> = peers.connect("unix:" .. path)
      assert.is_true(stream:read "a" == data)
      assert(stream:close())
      assert.same({ "", 0 }, { nc:wait() })
    end)
  end)

  it("that is killed while kio writes ends the write, and the rest of the run goes on", function()
    need_nc()
    peers.run(function()
      local nc <close> = peers.start("nc -v -l 127.0.0.1 0", { input = true })
      local stream <close> = peers.connect("127.0.0.1:" .. nc:expect "^Listening on %S+ (%d+)$")
      nc:expect "^Connection received"
      nc:kill "STOP" -- it reads no more, so that the writer comes to wait
      local writer = kio.spawn(function()
        local ok, message, code
        repeat ok, message, code = stream:write(("x"):rep(1 << 16)) until not ok
        return message, code
      end)
      repeat kio.sleep(0.001) until writer:status() == "waiting"
      nc:kill "KILL"
      local message, code = writer:await()
      assert.is_true(code == "EPIPE" or code == "ECONNRESET", code)
      assert.truthy(message:find("write " .. stream:peer(), 1, true), message)
      local _, status = nc:wait()
      assert.equal("KILL", status)
    end)
  end)
end)
