-- SIGPIPE: a run is not ended by it, nothing of that outlasts the run, nor is inherited by programs
-- that are started with Lua's own functions.
-- The shell that starts one does not run under ThreadSanitizer:
-- flavours: test asan hostile
local child = require "spec.net.child"

-- `ways()` -> how SIGPIPE stands: blocked, ignored, caught; `broken_pipe()` writes where nobody
-- reads.
local PREAMBLE = [[
  local kio = require "kio"
  local function bit_of(text, name)
    return tonumber(text:match(name .. ":%s*(%x+)"), 16) >> 12 & 1
  end
  local function ways(file)
    local text = (file or io.open "/proc/thread-self/status"):read "a"
    return bit_of(text, "SigBlk") .. bit_of(text, "SigIgn") .. bit_of(text, "SigCgt")
  end
  local function of_child() return ways(io.popen "cat /proc/self/status") end
  local function broken_pipe()
    local r, w = kio.pipe()
    kio.close(r)
    local code = select(3, kio.write(w, "x"))
    kio.close(w)
    return code
  end
]]

local function ended(source, prefix)
  local output, how, status = child.run(PREAMBLE .. source, prefix)
  return output .. how .. " " .. status
end

describe("SIGPIPE", function()
  it("is no end of a run, and is what it was when that is over", function()
    assert.equal("000 EPIPE 000\nexit 0", ended [[
      local before = ways()
      local code = kio.run(broken_pipe)
      print(before, code, ways())]]:gsub("\t", " "))
  end)

  it("kills again after a run", function()
    assert.equal("signal 13", ended [[
      kio.run(broken_pipe)
      kio.run(broken_pipe)
      os.execute "kill -PIPE $PPID"
      print "not reached"]])
  end)

  it("is the default for programs started within a run", function()
    assert.equal("000\nexit 0", ended [[print(kio.run(of_child))]])
  end)

  it("stays ignored for a program that ignores it, and a handler set within a run stays", function()
    local perl = [[perl -e '$SIG{PIPE} = "IGNORE"; exec @ARGV' env]]
    assert.equal("010 EPIPE 010\nexit 0", (ended([[
      local before = ways()
      print(before .. " " .. kio.run(broken_pipe) .. " " .. ways())]], perl):gsub("^.-010", "010")))
  end)

  it("is no end of a run with workers, nor of a runtime", function()
    assert.equal("EPIPE EPIPE 000\nexit 0", (ended [[
      local function try()
        local kio = require "kio"
        local r, w = kio.pipe()
        kio.close(r)
        local code = select(3, kio.write(w, "x"))
        kio.close(w)
        return code
      end
      local of_worker = kio.run(function()
        return kio.thread.spawn_on(2, try):await()
      end, { threads = 2 })
      local of_runtime
      do
        local runtime <close> = assert(kio.runtime { threads = 1 })
        of_runtime = runtime:block_on(try)
      end
      print(of_worker .. " " .. of_runtime .. " " .. ways())]]))
  end)

  it("is no end of runs on other threads, whose end leaves the first one's alone", function()
    assert.equal("EPIPE EPIPE 001 000\nexit 0", (ended [[
      local function elsewhere()
        local kio = require "kio"
        return kio.run(function()
          local r, w = kio.pipe()
          kio.close(r)
          local code = select(3, kio.write(w, "x"))
          kio.close(w)
          return code
        end)
      end
      local within = kio.run(function()
        local other = assert(kio.spawn_blocking(elsewhere)):await()
        return other .. " " .. broken_pipe() .. " " .. ways()
      end)
      print(within .. " " .. ways())]]))
  end)

  it("is what it was when os.exit closes the state within a run", function()
    assert.equal("000\nexit 0", ended [[
      setmetatable({}, { __gc = function() print(ways()) end })
      kio.run(function() os.exit(0, true) end)]])
  end)
end)
