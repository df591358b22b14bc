-- Large results of reads: since Lua 5.5 such a string is the buffer it was read into. An older Lua
-- gets a copy, of which all must be true but that.
-- flavours: test asan
local connection = require "spec.net.connection"
local common = require "spec.task.common"
local kio = require "kio"
local support = require "spec.support"

local core = kio.core
local run = support.run
local SHARES <const> = _VERSION ~= "Lua 5.4"
local LARGE <const> = 100000 -- of a buffer of 131072
local TEXT <const> = ("0123456789"):rep(LARGE // 10)

-- How many KiB of Lua's memory f takes, and its result.
local function taken_by(f, ...)
  collectgarbage()
  collectgarbage "stop"
  local before = collectgarbage "count"
  local result = f(...)
  local taken = collectgarbage "count" - before
  collectgarbage "restart"
  return taken, result
end

local function file_of(text)
  local path = support.tmpdir() .. "/file"
  local file <close> = assert(io.open(path, "w"))
  assert(file:write(text))
  return path
end

-- A stream with so much unread, whose peer has ended.
local function stream_of(text)
  local client, server = connection.pair()
  client:close()
  assert(server:unread(text))
  return server
end

-- Each gives a function that reads TEXT, and one that ends what it has read from.
local ways = {}

for _, name in ipairs { "read", "pread" } do
  ways[name .. " by number"] = function()
    local fd = assert(kio.openat(nil, file_of(TEXT), kio.const.O_RDONLY))
    return function() return kio[name](fd, LARGE, name == "pread" and 0 or nil) end,
      function() kio.close(fd) end
  end
end

ways["recv by number"] = function()
  local a, b = kio.socketpair("stream")
  assert(kio.io.write_all(a, TEXT))
  return function() return kio.recv(b, LARGE) end, function() connection.close(a, b) end
end

ways["a file's pread"] = function()
  local file = assert(kio.fs.open(file_of(TEXT)))
  return function() return file:pread(LARGE, 0) end, function() file:close() end
end

ways["a file's read"] = function()
  local file = assert(kio.fs.open(file_of(TEXT)))
  return function() return file:read(LARGE) end, function() file:close() end
end

for name, way in pairs {
  ["so many bytes"] = { "", function(stream) return stream:read(LARGE) end },
  ["what has arrived"] = { "", function(stream) return stream:recv() end },
  ["everything"] = { "", function(stream) return stream:read "a" end },
  ["a line"] = { "\n", function(stream) return stream:read("l", { max = LARGE }) end },
  ["a delimiter"] = { "end", function(stream)
    return stream:read_until("end", { max = LARGE })
  end },
  ["the last of several"] = { "", function(stream)
    return (select(2, stream:read(0, LARGE)))
  end },
} do
  ways["a stream's read, of " .. name] = function()
    local stream = stream_of(TEXT .. way[1])
    return function() return way[2](stream) end, function() stream:close() end
  end
end

describe("a large result of", function()
  for name, make in pairs(ways) do
    it(name .. " takes the buffer, and stays when that is gone", function()
      local text
      run(function()
        local read, close = make()
        local taken
        taken, text = taken_by(read)
        assert.is_true(text == TEXT)
        assert.equal(SHARES, taken < LARGE // 2048, taken)
        close()
      end)
      run(function() kio.yield() end) -- another run has buffers of its own
      collectgarbage()
      collectgarbage()
      assert.is_true(text == TEXT)
      assert.equal(SHARES and 1 or 0, core.world().blocks)
      text = nil
      collectgarbage()
      collectgarbage()
      assert.equal(0, core.world().blocks)
    end)
  end
end)

describe("a copy", function()
  it("is made of what is small, and of what fills little of its buffer", function()
    run(function()
      local fd = assert(kio.openat(nil, file_of(TEXT), kio.const.O_RDONLY))
      assert.is_true(taken_by(kio.pread, fd, 20000, 0) > 19)
      assert.is_true(taken_by(kio.pread, fd, 4 * LARGE, 0) > LARGE // 1024)
      kio.close(fd)
    end)
  end)

  it("is made of what is read with more behind it, and of what stays unread", function()
    run(function()
      local stream <close> = stream_of(TEXT .. "more")
      assert.is_true(taken_by(stream.peek, stream, LARGE + 4) > LARGE // 1024)
      assert.is_true(taken_by(stream.read, stream, LARGE) > LARGE // 1024)
      assert.equal("more", stream:read "a")
    end)
  end)
end)

describe("large results", function()
  -- Without a word to the collector these were some forty bytes each.
  it("are garbage in time", function()
    run(function()
      local fd = assert(kio.openat(nil, file_of(TEXT), kio.const.O_RDONLY))
      local most = 0
      for _ = 1, 2000 do
        assert(#kio.pread(fd, LARGE, 0) == LARGE)
        most = math.max(most, core.world().blocks)
      end
      assert.is_true(most < 500, most)
      kio.close(fd)
    end)
  end)

  it("are keys, values and pieces like other strings", function()
    run(function()
      local stream <close> = stream_of(TEXT)
      local text = stream:read(LARGE)
      local set = { [text] = 1 }
      assert.equal(1, set[TEXT])
      assert.is_true(text .. "x" == TEXT .. "x" and text:sub(1, 10) == "0123456789")
      assert.is_true(load("return ...", text)(text) == TEXT)
      local client, server = connection.pair()
      local writing = kio.spawn(function() assert(client:write(text)) client:close() end)
      assert.is_true(server:read "a" == TEXT)
      writing:await()
      server:close()
      assert.is_true(kio.spawn_blocking(function(s) return s end, text):await() == TEXT)
    end)
  end)

  it("go with the Lua state, after the run", function()
    local program = [[
      local kio = require "kio"
      kio.run(function()
        local a, b = kio.socketpair "stream"
        kio.spawn(function() kio.io.write_all(a, ("x"):rep(100000)) end)
        kio.sleep(0.01)
        kept = kio.recv(b, 100000)
      end)
      package.loaded.kio, package.loaded["kio.core"] = nil, nil
      setmetatable({}, { __gc = function() print(#kept) end })
      os.exit(true, true)
    ]]
    local output, ended = common.child(program)
    assert.equal("100000\n", output)
    assert.is_true(ended)
  end)
end)

describe("when Lua has no memory for the string, a stream's read", function()
  for name, way in pairs {
    ["of so many bytes"] = { "", function(stream) return stream:read(LARGE) end },
    ["of what has arrived"] = { "", function(stream) return stream:recv() end },
    ["up to a delimiter"] = {
      "end", function(stream) return stream:read_until("end", { max = LARGE }) end,
    },
  } do
    it(name .. " leaves every byte where it was", function()
      run(function()
        local failed = 0
        for n = 1, 6 do
          collectgarbage()
          local stream <close> = stream_of(TEXT .. way[1])
          -- A global may cost memory here, and so does a call that is deeper than any before.
          local call, fail, read = pcall, core.fail_lua_memory, way[2]
          call(call, call, call, call)
          fail(n)
          local ok, err = call(read, stream)
          failed = failed + (fail(0) and 1 or 0)
          if not ok then
            assert.matches("not enough memory", err)
            assert.is_true(way[2](stream) == TEXT)
          end
        end
        assert.is_true(failed > 0)
      end)
    end)
  end
end)

describe("a finalizer that runs while a large result is made", function()
  for name, deed in pairs {
    closes = function(stream) stream:close() end,
    reads = function(stream) pcall(stream.read, stream, 10) end,
    ["puts back"] = function(stream) pcall(stream.unread, stream, "again") end,
  } do
    it(name .. " and does no harm", function()
      for n = 1, 12 do
        run(function()
          local stream = stream_of(TEXT)
          local ok, text = support.at_moment(n, function() deed(stream) end, function()
            return stream:read(LARGE)
          end)
          if ok and text then assert.is_true(#text <= LARGE and TEXT:sub(-#text) == text) end
          stream:close()
        end)
      end
    end)
  end
end)
