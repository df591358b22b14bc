-- Why a program could not be started: each reason in words of its own.
-- flavours: test asan hostile
local kio = require "kio"
local common = require "spec.process.common"
local support = require "spec.support"

local function script(name, text, mode)
  local path = support.tmpdir() .. "/" .. name
  assert(kio.fs.write_file(path, text, { mode = mode or "755" }))
  return path
end

-- spawn and run fail so: the message is "spawn COMMAND" and `words`.
local function fails(code, words, options)
  for _, start in ipairs { common.spawn, common.run } do
    local child, message, errname = start(options)
    assert.is_nil(child)
    assert.equal(("spawn %s"):format(options[1]) .. words, message)
    assert.equal(code, errname)
  end
  assert.equal("", common.children())
end

describe("a program that cannot be started", function()
  it("because it, or the folder to start in, is missing", function()
    support.run(function()
      local root = support.tmpdir()
      fails("ENOENT", ": no such file or directory", { "kio-no-such", cwd = root })
      fails("ENOENT", ": no such file or directory", { "/no/such/file", cwd = root })
      fails("ENOENT", ": no such file or directory in " .. root, { "./here", cwd = root })
      fails("ENOENT", " in /no/such: cwd: no such file or directory", { "true", cwd = "/no/such" })
      fails("ENOENT", " in /no/such: cwd: no such file or directory",
        { "kio-no-such", cwd = "/no/such" })
      fails("ENOTDIR", " in /dev/null: cwd: not a directory", { "true", cwd = "/dev/null" })
      fails("ENOTDIR", ": not a directory", { "/dev/null/x" })
    end)
  end)

  it("because what it needs is missing", function()
    support.run(function()
      fails("ENOENT", ": its interpreter /no/such/lua: no such file or directory",
        { script("a", "#! /no/such/lua -x\nprint(1)\n") })
      fails("ENOENT", ": its interpreter /bin/sh\\r: no such file or directory",
        { script("b", "#!/bin/sh\r\necho from elsewhere\r\n") })
      local path = script("kio-along-path", "#!/no/such/lua\n")
      local PATH = os.getenv "PATH"
      local folder = path:match "^(.*)/"
      local lfs = require "lfs"
      local home = lfs.currentdir()
      assert(lfs.chdir(folder))
      fails("ENOENT", ": its interpreter /no/such/lua: no such file or directory",
        { "./kio-along-path" })
      assert(lfs.chdir(home) and PATH)
      fails("ENOENT", ": its interpreter /no/such/lua: no such file or directory",
        { "./kio-along-path", cwd = folder })
      local file <close> = assert(io.open("/proc/self/exe", "rb"))
      local image = file:read "a"
      local loader = image:match "/lib[%w/_.-]*ld%-[%w_.-]*"
      if not loader then return end
      local broken = image:gsub(loader:gsub("%p", "%%%0"), "/no/" .. ("x"):rep(#loader - 4), 1)
      fails("ENOENT", ": the loader that it names: no such file or directory",
        { script("c", broken) })
    end)
  end)

  it("because it may not be run", function()
    support.run(function()
      fails("EACCES", ": permission denied: it is not executable",
        { script("a", "#!/bin/sh\n", "644") })
      fails("EACCES", ": permission denied: it is a directory", { "/tmp" })
      fails("EACCES", ": permission denied", { "/dev/null" })
      local plain = script("b", "no program\n", "644")
      fails("EACCES", (": its interpreter %s: permission denied"):format(plain),
        { script("c", "#!" .. plain .. "\n") })
    end)
  end)

  it("because it is none, is too much, or is a loop", function()
    support.run(function()
      fails("ENOEXEC", ": exec format error: no program for this machine, and no script with a "
        .. "line #!", { script("a", "echo no first line\n") })
      fails("E2BIG", ": argument list too long: one argument or variable has 200000 bytes, of at "
        .. "most 131071", { "true", ("x"):rep(200000) })
      local many = { "true" }
      for i = 2, 100 do many[i] = ("x"):rep(100000) end
      local _, message, code = common.spawn(many)
      assert.equal("E2BIG", code)
      assert.matches("^spawn true: argument list too long: arguments and variables are 99%d+ bytes",
        message)
      local path = support.tmpdir() .. "/loop"
      assert(kio.fs.symlink(path, path))
      fails("ELOOP", ": too many levels of symbolic links", { path })
    end)
  end)

  it("because of what it is given", function()
    support.run(function()
      for _, name in ipairs { "stdin", "stdout", "stderr" } do
        fails("EBADF", (": %s: bad file descriptor"):format(name), { "true", [name] = 999 })
      end
    end)
  end)
end)

describe("a text for a program that is run", function()
  it("is any text, also one that is a word elsewhere", function()
    support.run(function()
      for _, text in ipairs { "null", "inherit", "pipe", "stdout", "", "\0", "other" } do
        assert.equal(text, assert(common.run { "cat", stdin = text }).stdout)
      end
    end)
  end)

  it("is told from those words by a list of one", function()
    support.run(function()
      assert.equal("", assert(common.run { "cat", stdin = { "null" } }).stdout)
      local own = assert(common.run { "readlink", "/proc/self/fd/0", stdin = 0 }).stdout
      assert.equal(own, assert(common.run { "readlink", "/proc/self/fd/0",
        stdin = { "inherit" } }).stdout)
      local child <close> = assert(common.spawn { "readlink", "/proc/self/fd/0",
        stdin = { "null" }, stdout = "pipe", stderr = { "inherit" } })
      assert.equal("/dev/null\n", child.stdout:read "a")
      for _, wrong in ipairs { { "pipe" }, { "text" }, {}, { 1 } } do
        support.expect_error("option 'stdin' must be", kio.process.run, { "cat", stdin = wrong })
        support.expect_error("option 'stdin' must be", kio.process.spawn, { "cat", stdin = wrong })
      end
    end)
  end)
end)
