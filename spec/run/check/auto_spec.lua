-- Which ring a run gets: io_uring, and epoll where that is refused for good. Each case in a process
-- of its own.
-- flavours: test asan hostile
local child = require "spec.run.check.child"

local function launcher(err, call) return ("%s %s %s"):format(child.launcher(), err, call) end

-- A server and its client, a file, a pipe, another thread and another program; then the ring.
local PROGRAM = [[
local kio = require "kio"
local name = kio.run(function()
  local listener = assert(kio.net.listen("127.0.0.1:0"))
  kio.spawn(function()
    local stream = listener:accept()
    for line in stream:lines() do stream:write(line:upper(), "\n") end
    stream:close()
  end)
  local client = kio.net.connect(listener:address())
  client:write "hello\n"
  assert(client:read() == "HELLO")
  client:close()
  listener:close()
  local path = os.tmpname()
  local file <close> = assert(kio.fs.open(path, "w+"))
  file:write "text"
  assert(file:pread(4, 0) == "text" and kio.fs.stat(path).size == 4)
  assert(kio.fs.remove(path))
  assert(kio.spawn_blocking(function() return 7 end):await() == 7)
  assert(kio.process.run { "echo", "out" }.stdout == "out\n")
  return kio.stats().backend
end)
assert(kio.check().backend == name)
assert(kio.run(function() return kio.check().backend end) == name)
print(name)
]]

local function run(prefix, source, backend)
  local output, how, status = child.run(prefix, source, backend)
  if status == 77 then return pending("not possible here: " .. output) end
  return output, how, status
end

-- Descriptors are short, and this program leaves none for the run.
local FEW <const> = "prlimit --nofile=32:64"
local TAKES_ALL <const> = [[
  local kio = require "kio"
  local held = {}
  while true do
    local file = io.open("/dev/null")
    if not file then break end
    held[#held + 1] = file
  end
  kio.run(print)
]]

describe("a run that names no ring", function()
  it("has io_uring where that is granted", function()
    assert.same({ "uring\n", "exit", 0 }, { run("", PROGRAM, "auto") })
    assert.same({ "uring\n", "exit", 0 }, { run("", PROGRAM, "''") })
  end)

  for _, refusal in ipairs { { "EPERM", "io_uring_setup" }, { "ENOSYS", "io_uring_setup" },
    { "EACCES", "io_uring_setup" }, { "EPERM", "io_uring_enter" } } do
    it(("has epoll where %s answers %s"):format(refusal[2], refusal[1]), function()
      local prefix = launcher(table.unpack(refusal))
      assert.same({ "epoll\n", "exit", 0 }, { run(prefix, PROGRAM, "auto") })
    end)
  end

  it("has epoll on a kernel before 5.10, which has no io_uring that suffices", function()
    local old = "setarch --uname-2.6"
    assert.same({ "epoll\n", "exit", 0 }, { run(old, PROGRAM, "auto") })
    local output, how, status = run(old, PROGRAM, "uring")
    assert.same({ "exit", 1 }, { how, status })
    assert.matches("Linux 2%.6%.[^,]*, is older than 5%.10 and has no io_uring that kio can use",
      output)
  end)

  -- Profiles that are older than a call answer EPERM to it: a wait for a moment must not spin then.
  for _, err in ipairs { "EPERM", "ENOSYS" } do
    it("waits without epoll_pwait2 where that answers " .. err, function()
      local output = run(launcher(err, "io_uring_setup,epoll_pwait2"), [[
        local kio = require "kio"
        local turns = kio.run(function()
          kio.sleep(0.02)
          return kio.stats().turns
        end)
        print(kio.check().backend, turns < 100 and "calm" or "spins")
      ]], "auto")
      assert.equal("epoll\tcalm\n", output)
    end)
  end

  it("has it on every worker, and under kio.testing", function()
    local output = run(launcher("EPERM", "io_uring_setup"), [[
      local kio = require "kio"
      kio.run(function()
        local function which() return require("kio").stats().backend end
        for worker = 1, 3 do io.write(kio.thread.spawn_on(worker, which):await(), " ") end
      end, { threads = 3 })
      print(kio.testing.run(function() kio.sleep(10); return kio.stats().backend end))
    ]], "auto")
    assert.equal("epoll epoll epoll epoll\n", output)
  end)

  it("does not fall back when descriptors are short: that passes", function()
    local output, _, status = run(FEW, TAKES_ALL, "auto")
    assert.equal(1, status)
    assert.matches("io_uring  refused: EMFILE", output)
  end)

  it("is told by one line when asked for with KIO_LOG", function()
    local output = run("env KIO_LOG=debug " .. launcher("EPERM", "io_uring_setup"),
      'require("kio").run(function() end)', "auto")
    local _, lines = output:gsub("io_uring is not to be had %(EPERM%): this process has epoll", "")
    assert.equal(1, lines, output)
  end)
end)

describe("a ring that cannot be had", function()
  it("is io_uring where it is refused: the program ends with the cause", function()
    local output, how, status = run(launcher("EPERM", "io_uring_setup"), PROGRAM, "uring")
    assert.same({ "exit", 1 }, { how, status })
    assert.matches("no io_uring here\nio_uring  refused: EPERM", output)
  end)

  it("is io_uring, or none, where both are refused: it tells of both", function()
    local both = launcher("EPERM", "io_uring_setup,epoll_create1")
    for _, backend in ipairs { "auto", "epoll" } do
      local output, how, status = run(both, PROGRAM, backend)
      assert.same({ "exit", 1 }, { how, status })
      assert.matches("kio.run: no epoll here\nepoll     refused: EPERM\ncause     the seccomp "
        .. "filter of this process answers EPERM to epoll\n", output, 1, true)
      assert.matches("\nio_uring  refused: EPERM\n", output, 1, true)
      assert.matches("\nbackend   epoll\n", output, 1, true)
    end
    local output, _, status = run(both, PROGRAM, "uring")
    assert.equal(1, status)
    assert.matches("kio.run: no io_uring here\nio_uring  refused: EPERM\n", output, 1, true)
  end)

  it("is epoll where that alone is refused, or descriptors are short", function()
    local output, _, status = run(launcher("EPERM", "epoll_create1"), [[
      local runtime, message, code = require("kio").runtime()
      assert(not runtime)
      print(code, message)
      require("kio").run(print)
    ]], "epoll")
    assert.equal(1, status)
    assert.matches("^EPERM\tkio%.runtime start: worker 1: no epoll here %(EPERM%): the seccomp ",
      output)
    assert.matches("epoll     refused: EPERM\n.*\nio_uring  usable: ", output)
    output, _, status = run(FEW, TAKES_ALL, "epoll")
    assert.equal(1, status)
    assert.matches("no epoll here\nepoll     refused: EMFILE\n", output, 1, true)
    assert.matches("RLIMIT_NOFILE is 32", output, 1, true)
  end)

  it("is one of no known name", function()
    local output, _, status = run("", PROGRAM, "nonsense")
    assert.equal(1, status)
    assert.matches("(command line):2: KIO_BACKEND: there is no backend 'nonsense' in this build, "
      .. "but auto, uring and epoll", output, 1, true)
    output, _, status = run("", 'require("kio").run(print, { backend = "kqueue" })', "nonsense")
    assert.equal(1, status)
    assert.matches("bad argument #2 to 'run' (there is no backend 'kqueue' in this build",
      output, 1, true)
  end)

  it("is epoll with a kernel thread that submits", function()
    local output, _, status = run("", 'require("kio").run(print, { sqpoll = true })', "epoll")
    assert.equal(1, status)
    assert.matches("(command line):1: option 'sqpoll' needs io_uring, and this run is to have "
      .. "epoll", output, 1, true)
    output, _, status = run(launcher("EPERM", "io_uring_setup"),
      'require("kio").run(print, { sqpoll = true })', "auto")
    assert.equal(1, status)
    assert.matches("option 'sqpoll' needs io_uring, and this run is to have epoll", output, 1, true)
  end)
end)
