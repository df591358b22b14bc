-- Finalizers that run in the middle of an operation, as each of Lua's allocations may have them
-- run, and close what it works with, or read from it.
local kio = require "kio"
local support = require "spec.support"

local ROUNDS <const> = 12

-- Calls f(near, far) for a new connection, `near` with two lines to read.
local function connected(f)
  support.run(function()
    local listener <close> = assert(kio.net.listen "127.0.0.1:0")
    for n = 1, ROUNDS do
      local far <close> = assert(kio.net.connect(listener:address()))
      local near <close> = assert(listener:accept())
      far:send "a line\nand another one\n"
      assert.equal("a", near:peek(1))
      f(near, n)
    end
  end)
end

local reads = {
  ["read lines"] = function(stream) return stream:read("l", "l") end,
  ["read a count"] = function(stream) return stream:read(6) end,
  ["read counts"] = function(stream) return stream:read(6, 1, "l") end,
  read_until = function(stream) return stream:read_until "\n" end,
  peek = function(stream) return stream:peek(6) end,
  recv = function(stream) return stream:recv(6) end,
}

describe("a finalizer in the middle of", function()
  for name, read in pairs(reads) do
    it(name .. " may close the stream", function()
      local closed = 0
      connected(function(stream, n)
        local function close() stream:close() end
        local ok, first, _, code = support.at_moment(n, close, read, stream)
        assert.is_true(ok, first)
        if first == nil then
          assert.equal("EBADF", code)
          closed = closed + 1
        else assert.equal(("a line"):sub(1, #first), first:sub(1, 6)) end
      end)
      assert.is_true(closed < ROUNDS)
    end)

    it(name .. " may read from it", function()
      connected(function(stream, n)
        local function steal() stream:read(20) end
        local ok, first = support.at_moment(n, steal, read, stream)
        assert.is_true(ok, first)
      end)
    end)
  end
end)
