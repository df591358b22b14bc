-- A program that was started without some of its standard descriptors, or closes them: whatever kio
-- opens stays beyond them, and in their place is /dev/null.
-- The shell that starts it does not run under ThreadSanitizer:
-- flavours: test asan hostile
local child = require "spec.net.child"
local support = require "spec.support"

local PROGRAM = [[
  local kio = require "kio"
  local report = assert(io.open(REPORT, "w"))
  report:setvbuf "no"
  local common = require "spec.process.common"
  local core = kio.core
  local function say(...) report:write(table.concat({ ... }, " "), "\n") end
  local function target(fd) return (kio.fs.readlink("/proc/self/fd/" .. fd)) end
  local function standing()
    local list = {}
    for fd = 0, 2 do list[#list + 1] = target(fd) == "/dev/null" and "null" or "kept" end
    return table.concat(list, " ")
  end
  local lowest = math.huge
  local function note(...)
    for _, fd in ipairs { ... } do lowest = math.min(lowest, fd) end
  end
  local function open_everything()
    kio.thread.spawn_on(2, function() end):await() -- rings, and the ways to wake them
    kio.fs.readdir "/"
    kio.signal.on("USR1", function() end)
    note(core.openat(nil, "/", kio.const.O_RDONLY))
    note(kio.pipe()) note(kio.socketpair()) note(kio.socket "udp4")
    local l = assert(kio.net.listen "127.0.0.1:0")
    local c = assert(kio.net.connect(l:address()))
    local s = assert(l:accept())
    local u = assert(kio.net.udp "127.0.0.1:0")
    local f = assert(kio.fs.open "/proc/self/stat")
    local w = assert(kio.fs.watch "/")
    local p = assert(common.spawn { "cat", stdin = "pipe", stdout = "pipe" })
    note(l:fd(), c:fd(), s:fd(), u:fd(), f:fd(), w.fd, p.stdin:fd(), p.stdout:fd())
    print "to nobody" io.stdout:flush()
    io.stderr:write "to nobody"
    c:write "to the server":shutdown "write"
    say(s:read "a", lowest > 2 and "beyond" or lowest)
    for _, handle in ipairs { l, c, s, u, f, w, p } do handle:close() end
  end
  local ok, err = xpcall(function() BODY end, debug.traceback)
  if not ok then say(err) end]]

-- Runs the program, started with `redirections` of a shell; what it reports.
local function reported(body, redirections)
  local path = support.tmpdir() .. "/report"
  local source = PROGRAM:gsub("BODY", function() return body end)
  source = ("local REPORT = %q\n"):format(path) .. source
  local _, how, status = child.run(source, ("sh -c '\"$@\" %s' sh"):format(redirections))
  assert.equal("exit 0", how .. " " .. status)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

local CLOSED = {
  ["<&-"] = "null kept kept",
  [">&-"] = "kept null kept",
  ["2>&-"] = "kept kept null",
  ["<&- >&-"] = "null null kept",
  ["<&- 2>&-"] = "null kept null",
  [">&- 2>&-"] = "kept null null",
  ["<&- >&- 2>&-"] = "null null null",
}

describe("without standard descriptors", function()
  for redirections, expected in pairs(CLOSED) do
    it("nothing kio opens takes their places: " .. redirections, function()
      local input = redirections:find("<", 1, true) and "" or "</proc/self/stat "
      assert.equal(expected .. "\nto the server beyond\n" .. expected .. "\n", reported([[
        say(standing())
        kio.run(open_everything, { threads = 2 })
        say(standing())]], input .. redirections))
    end)
  end

  it("its streams are errors, and children get what ends at once and swallows all", function()
    assert.equal("EBADF EBADF EBADF /dev/null /dev/null /dev/null\n", reported([[
      kio.run(function()
        local codes = {}
        for i, name in ipairs { "stdin", "stdout", "stderr" } do
          codes[i] = select(3, kio[name]())
        end
        local list = REPORT .. ".list"
        local p = assert(common.spawn { "sh", "-c",
          "for i in 0 1 2; do readlink /proc/$$/fd/$i | cat >>" .. list .. "; done; :",
          stdin = "inherit", stdout = "inherit", stderr = "inherit" })
        p:wait()
        local links = assert(io.open(list)):read "a":gsub("\n", " "):gsub(" $", "")
        say(table.concat(codes, " "), links)
      end)]], "<&- >&- 2>&-"))
  end)

  it("or with those that the program closes itself", function()
    assert.equal("null null null\nto the server beyond\n", reported([[
      kio.run(function()
        assert(kio.close(0))
        assert(core.own.close_now(1))
        assert(assert(kio.stream(2)):close())
        say(standing())
        open_everything()
      end, { threads = 2 })]], "</proc/self/stat"))
  end)
end)

describe("a standard descriptor that is closed", function()
  it("is let go of: who reads from the other end sees the end", function()
    child.with([[
      local kio = require "kio"
      kio.run(function()
        kio.write(1, "the last words")
        assert(kio.close(1))
        assert(kio.close(2))
        print "unheard"
        io.stdout:flush()
        kio.sleep(600) -- the reader does not wait for this
      end)]], "", function(pipe, pid)
      assert.equal("the last words", pipe:read "a")
      os.execute("kill -KILL " .. pid)
    end)
  end)
end)
