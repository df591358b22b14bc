-- Misuse of the raw file operations: each raises, with a message that says what is wrong.
-- flavours: test asan
local kio = require "kio"
local support = require "spec.support"

local fd, dir -- open while a test runs

-- Operations and good arguments for them. `fd` and `dir` stand for the open ones.
local calls = {
  read = { "fd", 1 },
  pread = { "fd", 1, 0 },
  readv = { "fd", { 1 } },
  preadv = { "fd", { 1 }, 0 },
  write = { "fd", "x" },
  pwrite = { "fd", "x", 0 },
  writev = { "fd", { "x" } },
  pwritev = { "fd", { "x" }, 0 },
  fsync = { "fd" },
  fdatasync = { "fd" },
  fallocate = { "fd", 0, 0, 1 },
  ftruncate = { "fd", 0 },
  splice = { "fd", 0, "fd", 0, 1 },
  openat = { "dir", "x", 0, 0 },
  unlinkat = { "dir", "x", 0 },
  mkdirat = { "dir", "x", 0 },
  renameat = { "dir", "x", "dir", "y", 0 },
  statx = { "dir", "x", 0 },
}

local NO_DESCRIPTOR = {
  { -1, "a file descriptor cannot be negative" },
  { "three", "number expected, got string" },
  { 1.5, "number has no integer representation" },
  { {}, "number expected, got table" },
  { 1 << 40, "file descriptor out of range" },
}
local NO_SIZE = {
  { -1, "a number of bytes cannot be negative" },
  { 1 << 31, "more bytes than one operation can move" },
  { 0.5, "number has no integer representation" },
  { "many", "number expected, got string" },
}
local NO_OFFSET = {
  { -1, "an offset cannot be negative" },
  { 0.5, "number has no integer representation" },
  { {}, "number expected, got table" },
}
local NO_DATA = {
  { 12, "string expected, got number" },
  { {}, "string expected, got table" },
  { nil, "string expected, got nil" },
}
local NO_SIZES = {
  { 5, "table expected, got number" },
  { {}, "an empty list" },
  { { 1, -1 }, "every size must be an integer of 0 or more" },
  { { 1.5 }, "every size must be an integer of 0 or more" },
  { { 1 << 30, 1 << 30 }, "more bytes than one operation can move" },
  { { 1 << 62, 1 << 62 }, "more bytes than one operation can move" },
}
local NO_STRINGS = {
  { "x", "table expected, got string" },
  { {}, "an empty list" },
  { { "x", 5 }, "every piece must be a string" },
}
local NO_PATH = {
  { "a\0b", "a path cannot contain a zero byte" },
  { nil, "string expected, got nil" },
  { {}, "string expected, got table" },
}
local NO_NUMBER = {
  { 1 << 40, "number out of range" },
  { "x", "number expected, got string" },
}

-- For each operation, what each argument must not be.
local wrong = {
  read = { NO_DESCRIPTOR, NO_SIZE },
  pread = { NO_DESCRIPTOR, NO_SIZE, NO_OFFSET },
  readv = { NO_DESCRIPTOR, NO_SIZES },
  preadv = { NO_DESCRIPTOR, NO_SIZES, NO_OFFSET },
  write = { NO_DESCRIPTOR, NO_DATA },
  pwrite = { NO_DESCRIPTOR, NO_DATA, NO_OFFSET },
  writev = { NO_DESCRIPTOR, NO_STRINGS },
  pwritev = { NO_DESCRIPTOR, NO_STRINGS, NO_OFFSET },
  fsync = { NO_DESCRIPTOR },
  fdatasync = { NO_DESCRIPTOR },
  fallocate = { NO_DESCRIPTOR, NO_NUMBER, NO_OFFSET, NO_OFFSET },
  ftruncate = { NO_DESCRIPTOR, NO_OFFSET },
  splice = { NO_DESCRIPTOR, NO_OFFSET, NO_DESCRIPTOR, NO_OFFSET, NO_SIZE },
  openat = { NO_DESCRIPTOR, NO_PATH, NO_NUMBER, NO_NUMBER },
  unlinkat = { NO_DESCRIPTOR, NO_PATH, NO_NUMBER },
  mkdirat = { NO_DESCRIPTOR, NO_PATH, NO_NUMBER },
  renameat = { NO_DESCRIPTOR, NO_PATH, NO_DESCRIPTOR, NO_PATH, NO_NUMBER },
  statx = { NO_DESCRIPTOR, NO_PATH, NO_NUMBER },
}

-- The good arguments of an operation, with one of them replaced.
local function arguments(name, index, value)
  local list = table.pack(table.unpack(calls[name]))
  list.n = math.max(list.n, index)
  for i = 1, list.n do
    if list[i] == "fd" then list[i] = fd elseif list[i] == "dir" then list[i] = dir end
  end
  list[index] = value
  return table.unpack(list, 1, list.n)
end

local function open()
  fd = assert(kio.openat(nil, "/dev/null", kio.const.O_RDWR))
  dir = assert(kio.openat(nil, "/proc/self", kio.const.O_RDONLY | kio.const.O_DIRECTORY))
end

local function close()
  kio.close(fd)
  kio.close(dir)
end

for name, kinds in pairs(wrong) do
  describe("the arguments of " .. name, function()
    it("are checked one by one", function()
      support.run(function()
        open()
        for index, kind in ipairs(kinds) do
          for _, case in ipairs(kind) do
            local err = support.expect_error(case[2], kio[name], arguments(name, index, case[1]))
            assert.matches(("bad argument #%d to '[%%w.]*%s'"):format(index, name), err)
          end
        end
        close()
      end)
    end)

    it("end in options, of which only a timeout is known", function()
      local last = #calls[name] + 1
      local cases = {
        { { timeout = -1 }, "option 'timeout' cannot be negative or NaN" },
        { { timeout = 0 / 0 }, "option 'timeout' cannot be negative or NaN" },
        { { timeout = "1" }, "option 'timeout' must be a number" },
        { { timeuot = 1 }, "unknown option 'timeuot'" },
        { { 1 }, "unknown option '1'" },
        { "fast", "table expected, got string" },
      }
      support.run(function()
        open()
        for _, case in ipairs(cases) do
          local err = support.expect_error(case[2], kio[name], arguments(name, last, case[1]))
          assert.matches(("bad argument #%d"):format(last), err)
        end
        close()
      end)
    end)

    it("are of no use outside of a task", function()
      local list = {}
      for i, value in ipairs(calls[name]) do
        list[i] = (value == "fd" or value == "dir") and 0 or value
      end
      support.expect_error("operation outside a task", kio[name], table.unpack(list))
    end)
  end)
end

it("more than 1024 pieces are refused", function()
  support.run(function()
    open()
    local sizes, strings = {}, {}
    for i = 1, 1025 do sizes[i], strings[i] = 1, "x" end
    support.expect_error("more than 1024 pieces", kio.readv, fd, sizes)
    support.expect_error("more than 1024 pieces", kio.writev, fd, strings)
    close()
  end)
end)

it("nothing starts in a callback that cannot yield", function()
  support.run(function()
    open()
    support.expect_error("where Lua cannot yield", string.gsub, "x", "x", function()
      return kio.read(fd, 1)
    end)
    support.expect_error("where Lua cannot yield", table.sort, { 2, 1 }, function()
      return kio.write(fd, "x") == 0
    end)
    close()
  end)
end)
