-- What an echo costs in the release build: user instructions, which hardly depend on the machine's
-- load. A change that makes it dearer is to be seen when it is made. docs/rationale.md tells where
-- they go; `make bench ARGS=instructions` counts them beside other servers.
-- timeout: 120
local ECHO <const> = 3040 -- a recv and a write of 64 bytes: gcc 12 -O2, Lua 5.4.4, liburing 2.3
local MARGIN <const> = 1.03
local SHORT <const>, LONG <const> = 2000, 12000 -- echoes; the difference leaves out start and end
local ATTEMPTS <const> = 3 -- Lua's hashes are seeded anew in each run: that is 1 or 2 percent

local PROGRAM <const> = [[
  local kio = require "kio"
  local pairs_count, rounds = 50, tonumber(arg[1]) // 100
  kio.run(function()
    local listener = assert(kio.net.listen "127.0.0.1:0")
    kio.spawn(function()
      for stream in listener:accepts() do
        kio.spawn(function()
          while true do
            local data = stream:recv()
            if not data then break end
            stream:write(data)
          end
        end)
      end
    end)
    kio.scope(function(scope)
      for _ = 1, pairs_count do
        scope:spawn(function()
          local stream <close> = assert(kio.net.connect(listener:address()))
          local data = ("x"):rep(64)
          for _ = 1, rounds do
            stream:write(data)
            data = assert(stream:recv())
          end
        end)
      end
    end)
    listener:close()
  end)
]]

local function count(program, echoes)
  local log = os.tmpname()
  local command = "LUA_PATH='./lua/?.lua;./lua/?/init.lua;;' LUA_CPATH='./build/release/?.so;;'"
    .. " valgrind --tool=callgrind --callgrind-out-file=/dev/null --log-file=" .. log
    .. " lua5.4 " .. program .. " " .. echoes .. " 2>&1"
  local pipe = assert(io.popen(command))
  local printed, ended = pipe:read "a", pipe:close()
  local file = assert(io.open(log))
  local text = file:read "a"
  file:close()
  os.remove(log)
  assert.is_true(ended, printed .. text)
  return assert(tonumber(string.match(text, "Collected : (%d+)")), text)
end

local function per_echo(program)
  return (count(program, LONG) - count(program, SHORT)) / (LONG - SHORT)
end

describe("an echo of 64 bytes", function()
  it("takes no more instructions than when it was last looked at", function()
    if not os.execute "command -v valgrind >/dev/null" then pending("needs valgrind") end
    local core = io.open "build/release/kio/core.so"
    if not core then pending("needs the release build: make all") end
    core:close()
    local program = os.tmpname()
    local file <close> = assert(io.open(program, "w"))
    file:write(PROGRAM)
    file:flush()
    local least = math.huge
    for _ = 1, ATTEMPTS do
      least = math.min(least, per_echo(program))
      if least <= ECHO * MARGIN then break end
    end
    os.remove(program)
    assert.is_true(least <= ECHO * MARGIN, string.format("%.0f instructions per echo", least))
  end)
end)
