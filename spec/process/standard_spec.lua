-- The standard streams, in processes whose own ones are known.
-- The shell that starts one does not run under ThreadSanitizer:
-- flavours: test asan hostile
local child = require "spec.net.child"

-- Runs the program behind a shell's prefix and redirections; what it printed, and how it ended.
local function ended(source, shell)
  local output, how, status = child.run("local kio = require 'kio'\n" .. source,
    ("sh -c '%s' sh"):format(shell or [[exec "$@"]]))
  return output .. how .. " " .. status
end

describe("kio.stdin", function()
  local ECHO = [[
    kio.run(function()
      local stdin, stdout = assert(kio.stdin()), assert(kio.stdout())
      for line in stdin:lines() do stdout:write("<", line, ">\n") end
    end)]]

  it("reads a pipe, a file, and nothing", function()
    assert.equal("<a>\n<b>\nexit 0", ended(ECHO, [[(echo a; echo b) | "$@"]]))
    assert.equal("<one>\n<two>\nexit 0",
      ended(ECHO, [[f=$(mktemp); printf "one\ntwo" >$f; "$@" <$f; rm $f]]))
    assert.equal("exit 0", ended(ECHO, [["$@" </dev/null]]))
  end)

  it("is waited for while other tasks run", function()
    assert.equal("ticked\nlate\nexit 0", ended([[
      kio.run(function()
        local reading = kio.spawn(function() print((kio.stdin():read())) end)
        kio.sleep(0.001)
        print "ticked"
        kio.stderr():send "go\n"
        reading:await()
      end)]], [[d=$(mktemp -d); mkfifo $d/in $d/go
        (exec 3>$d/in; read go <$d/go; echo late >&3) &
        "$@" <$d/in 2>$d/go; s=$?; wait; rm -r $d; exit $s]]))
  end)

  it("is the same stream in every run, with what was read ahead", function()
    assert.equal("a\nb\ntrue\nexit 0", ended([[
      local first
      kio.run(function()
        first = kio.stdin()
        print(first:read())
      end)
      kio.run(function()
        print(kio.stdin():read())
        print(rawequal(first, kio.stdin()))
      end)]], [[(echo a; echo b) | "$@"]]))
  end)

  it("leaves the descriptor open and as it was when it is closed", function()
    assert.equal("closed\nsame flags\nb\nexit 0", ended([[
      local function flags()
        local file <close> = io.open "/proc/self/fdinfo/0"
        return file:read("a"):match "flags:%s*(%d+)"
      end
      local before = flags()
      kio.run(function()
        local stdin = kio.stdin()
        assert(stdin:read(2) == "a\n")
        assert(stdin:unread "")
        assert(stdin:close())
        print(tostring(stdin):match "closed")
        assert(kio.stdin() ~= stdin)
        assert(select(3, kio.stdin():read("l", { timeout = 0.001 })) == "ETIMEDOUT")
        print(before == flags() and "same flags")
        kio.stdout():flush()
      end)
      io.stdout:flush()
      io.stderr:write "go\n"
      print(io.read())]], [[d=$(mktemp -d); mkfifo $d/in $d/go
        (exec 3>$d/in; echo a >&3; read go <$d/go; echo b >&3) &
        "$@" <$d/in 2>$d/go; s=$?; wait; rm -r $d; exit $s]]))
  end)

  it("is an error when it is closed from the start", function()
    assert.equal("nil stream stdin: bad file descriptor EBADF\nexit 0", ended(
      [[print(table.concat({ tostring(kio.stdin()), select(2, kio.stdin()) }, " "))]],
      [["$@" <&-]]))
  end)
end)

describe("kio.stdout", function()
  it("writes everything before the run ends, to pipes and files", function()
    local source = [[
      kio.run(function()
        local out = kio.stdout()
        for i = 1, 20000 do out:write(i, "\n") end
        kio.stderr():write "done\n"
      end)]]
    assert.equal("20000\nexit 0", ended(source, [["$@" 2>/dev/null | tail -n 1]]))
    assert.equal("20000 done\nexit 0",
      ended(source, [[f=$(mktemp); "$@" >$f 2>$f.e; echo $(tail -n 1 $f) $(cat $f.e); rm $f*]]))
  end)

  it("tells EPIPE when nobody reads any more", function()
    assert.equal("EPIPE\nexit 0", ended([[
      kio.run(function()
        local out, ok, code = kio.stdout()
        repeat
          local outcome = table.pack(out:send(("x"):rep(10000)))
          ok, code = outcome[1], outcome[3]
        until not ok
        kio.stderr():send(code .. "\n")
      end)]], [[("$@" 2>&3 | true) 3>&1]]))
  end)
end)
