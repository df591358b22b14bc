-- file:pread and file:pread_into are done in C when a call is a usual one, and in Lua when it is
-- not. An empty table of options makes any call an unusual one: both ways must come to the same.
local kio = require "kio"

local SIZE <const> = 100

local function path_with(size)
  local path = os.tmpname()
  local file <close> = assert(io.open(path, "w"))
  file:write((("abcdefghij"):rep(size // 10)))
  return path
end

local function told(...)
  local list = table.pack(pcall(...))
  for i = 1, list.n do list[i] = tostring(list[i]) end
  return table.concat(list, "|")
end

local function with_file(f)
  local path = path_with(SIZE)
  kio.run(function()
    local file <close> = assert(kio.fs.open(path))
    f(file, path)
  end)
  os.remove(path)
end

local NUMBERS <const> = { 0, 1, 7, 10, SIZE, SIZE + 1, -1, 1.0, 2.5, 0 / 0, math.huge, "3", "x",
  math.maxinteger, math.mininteger, 0x7ffff000, 0x7ffff001, true, {} }

describe("file:pread", function()
  it("comes to the same in C and in Lua", function()
    with_file(function(file)
      for _, n in ipairs(NUMBERS) do
        if n ~= 0x7ffff000 then -- two gigabytes of room
          for _, offset in ipairs(NUMBERS) do
            local text = told(file.pread, file, n, offset)
            assert.equal(told(file.pread, file, n, offset, {}), text)
          end
        end
      end
    end)
  end)

  it("takes no more and no fewer arguments", function()
    with_file(function(file)
      assert.equal("abc", file:pread(3, 0))
      assert.error_matches(function() file:pread(3) end, "bad argument #2 to 'pread'")
      assert.error_matches(function() file:pread(3, 0, nil, 1) end, "bad argument #4 to 'pread'")
    end)
  end)
end)

describe("file:pread_into", function()
  it("comes to the same in C and in Lua", function()
    with_file(function(file)
      local buffer = kio.buffer(20)
      for _, at in ipairs { 1, 5, 20, 21, 22, 0, -1, -20, -21, 1.0, 1.5, "1", {} } do
        for _, max in ipairs { 0, 1, 16, 20, 21, -1, 2.0, 2.5, "2", true } do
          for _, offset in ipairs { 0, 95, SIZE, -1, 1.0, "1", math.maxinteger } do
            buffer:set(1, ("."):rep(20))
            local text = told(file.pread_into, file, buffer, at, max, offset)
            local bytes = buffer:string()
            buffer:set(1, ("."):rep(20))
            assert.equal(told(file.pread_into, file, buffer, at, max, offset, {}), text)
            assert.equal(buffer:string(), bytes)
          end
        end
      end
    end)
  end)

  it("refuses what is no buffer, a closed and a busy one", function()
    with_file(function(file)
      local closed <const>, busy <const> = kio.buffer(10), kio.buffer(10)
      closed:close()
      for _, wrong in ipairs { closed, "text", 5, {}, file, io.stdout } do
        local text = told(file.pread_into, file, wrong, 1, 10, 0)
        assert.equal(told(file.pread_into, file, wrong, 1, 10, 0, {}), text)
      end
      local reading, writing = kio.pipe()
      local reader <const> = kio.spawn(function() return kio.read_into(reading, busy) end)
      kio.yield()
      local _, message, code = file:pread_into(busy, 1, 10, 0)
      assert.equal("EBUSY", code)
      assert.matches("^pread_into /", message)
      kio.write(writing, "x")
      assert.equal(1, reader:await())
      kio.close(reading)
      kio.close(writing)
    end)
  end)
end)

describe("both", function()
  it("point at the caller's line", function()
    with_file(function(file)
      local line = debug.getinfo(1, "l").currentline
      local _, first = pcall(function() file:pread(-1, 0) end)
      local _, second = pcall(function() file:pread_into({}, 1, 1, 0) end)
      assert.matches("straight_spec.lua:" .. line + 1 .. ":", first, 1, true)
      assert.matches("straight_spec.lua:" .. line + 2 .. ":", second, 1, true)
    end)
    local path = path_with(SIZE)
    local file = kio.run(function() return assert(kio.fs.open(path)) end)
    local line = debug.getinfo(1, "l").currentline
    local _, message = pcall(function() file:pread(1, 0) end)
    local here = "straight_spec.lua:%d: "
    assert.matches(here:format(line + 1) .. "operation outside a task", message, 1, true)
    _, message = pcall(function() file:pread("x", 0) end)
    assert.matches(here:format(line + 4) .. "bad argument #1", message, 1, true)
    kio.run(function() file:close() end)
    os.remove(path)
  end)

  it("refuse what is no file", function()
    for _, wrong in ipairs { false, 1, "file", {}, io.stdout, kio.buffer(1) } do
      assert.error_matches(function() require "kio.fs.file".File.pread(wrong, 1, 1) end,
        "calling 'pread' on bad self (kio.File expected, got ", 1, true)
    end
    local File <const> = require "kio.fs.file".File
    for _, window in ipairs { false, 7, { straight = -1 }, { straight = {} } } do
      local forged = setmetatable({ path = "x", window = window }, File)
      assert.is_false((pcall(File.pread, forged, 1, 1)))
      setmetatable(forged, nil)
    end
  end)

  it("tell a closed file, and one that is closed meanwhile", function()
    with_file(function(file, path)
      local buffer = kio.buffer(10)
      file:close()
      assert.same({ nil, "pread " .. path .. ": the file is closed", "EBADF" },
        { file:pread(1, 0) })
      assert.same({ nil, "pread_into " .. path .. ": the file is closed", "EBADF" },
        { file:pread_into(buffer, 1, 1, 0) })
    end)
  end)

  it("are cancelled as any operation", function()
    with_file(function(file)
      local buffer = kio.buffer(10)
      for _, read in ipairs {
        function() return file:pread(1, 0) end,
        function() return file:pread_into(buffer, 1, 1, 0) end,
      } do
        local task = kio.spawn(function()
          kio.yield()
          return read()
        end)
        kio.yield()
        task:cancel()
        task:join()
        assert.equal("cancelled", task:status())
      end
    end)
  end)

  it("tell other failures with the path", function()
    kio.run(function()
      local folder <close> = assert(kio.fs.open("/tmp"))
      assert.same({ nil, "pread /tmp: is a directory", "EISDIR" }, { folder:pread(1, 0) })
      assert.same({ nil, "pread_into /tmp: is a directory", "EISDIR" },
        { folder:pread_into(kio.buffer(5), 1, 5, 0) })
    end)
  end)
end)
