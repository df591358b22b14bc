-- Names from outside in what kio prints and reports: none is taken for a line of its own, or for an
-- order to the terminal.
-- flavours: test asan hostile
local kio = require "kio"
local child = require "spec.net.child"
local support = require "spec.support"

-- Sockets are bound to it: it is another one in each process that runs this.
local OWN = support.free_port()
local EVIL = "x\n2026-01-01 CRITICAL root logged in\27[31m\xc2\x9b\xff\xe2\x80\xae" .. OWN
local SHOWN = [[x\n2026-01-01 CRITICAL root logged in\x1b[31m\xc2\x9b\xff\xe2\x80\xae]] .. OWN

local function harmless(text)
  assert.is_nil(text:find "[\0-\8\11-\31\127]")
  assert.is_nil(text:find "\xc2\x9b")
  assert.is_nil(text:find "\xe2\x80\xae")
  assert.is_nil(text:find "\xff")
  assert.is_nil(text:find "\n2026")
end

-- What a program prints, which finds EVIL as a global.
local function printed(source, prefix)
  local head = ("EVIL = %q\nlocal kio = require 'kio'\n"):format(EVIL)
  local output = child.run(head .. source, prefix)
  harmless(output)
  return output
end

-- A Unix socket whose peer has chosen its name, bound by its number: the bytes go as they are.
local function pair()
  local listener = assert(kio.net.listen "unix:@")
  local fd = assert(kio.socket "unix")
  assert(kio.bind(fd, "unix:@" .. EVIL))
  assert(kio.connect(fd, listener:address()))
  return listener, fd
end

describe("what comes from outside is escaped", function()
  it("in what a server prints of a connection that failed", function()
    local output = printed [[
      kio.run(function()
        local listener = assert(kio.net.listen "unix:@")
        local serving = kio.spawn(listener.serve, listener, function(stream, peer)
          error("bad request: " .. EVIL)
        end)
        local fd = assert(kio.socket "unix")
        assert(kio.bind(fd, "unix:@" .. EVIL) and kio.connect(fd, listener:address()))
        kio.read(fd, 1)
        kio.close(fd)
        listener:close()
        serving:join()
      end)]]
    assert.is_truthy(output:find("the connection of unix:@" .. SHOWN .. " failed:", 1, true))
    assert.is_truthy(output:find("bad request: x\n\t2026-01-01", 1, true))
    assert.is_truthy(output:find("\nstack traceback:\n\t", 1, true))
  end)

  it("in what is printed of a task that failed, with its name and its traceback", function()
    local output = printed [[
      local evil = load("return function(f) local x = f() return x end", "=" .. EVIL)()
      local held = { [EVIL] = function() error(EVIL, 0) end }
      kio.run(function()
        kio.spawn { evil, held[EVIL], name = EVIL, on_error = true }:join()
      end)]]
    assert.is_truthy(output:find("kio: task " .. SHOWN .. " failed: x\n\t2026-01-01", 1, true))
    assert.is_truthy(output:find("\nstack traceback:\n\t", 1, true))
  end)

  it("in what the watchdog prints", function()
    local output = printed [[
      kio.run(function()
        kio.spawn { function()
          local stop = os.clock() + 0.1
          repeat until os.clock() > stop
        end, name = EVIL }:await()
      end, { watchdog = 0.01 })]]
    assert.is_truthy(output:find('"' .. SHOWN .. '" has held the loop', 1, true))
  end)

  it("in the lines of KIO_LOG", function()
    local output = printed([[
      local job = load("return function() os.execute 'sleep 1' end", "=" .. EVIL)()
      local ok, err = pcall(kio.run, function()
        kio.timeout(0.05, kio.spawn_blocking, job)
      end, { shutdown_timeout = 0 })
      io.stderr:write(ok and "no error" or err, "\n")]], "env KIO_LOG=debug")
    assert.is_truthy(output:find("kio: left alone at the end: ", 1, true), output)
  end)

  it("in kio.tasks, and in the report of a deadlock", function()
    local ok, err = pcall(kio.run, function()
      local listener, fd = pair()
      local stream = assert(listener:accept())
      local reading = kio.spawn { stream.read, stream, 1, name = EVIL }
      repeat kio.yield() until reading:status() == "waiting"
      local entry
      for _, task in ipairs(kio.tasks()) do
        if task.task == reading then entry = task end
      end
      assert.equal(SHOWN, entry.name)
      assert.is_truthy(tostring(reading):find('kio.Task "' .. SHOWN .. '"', 1, true))
      assert.equal("unix:@" .. SHOWN, entry.waiting.peer)
      harmless(kio.core.own.report())
      reading:cancel()
      stream:close()
      listener:close()
      kio.close(fd)
      kio.spawn { function() kio.sync.event():wait() end, name = EVIL }
      kio.sync.event():wait()
    end)
    assert.is_false(ok)
    harmless(err)
    assert.is_truthy(err:find('"' .. SHOWN .. '"', 1, true))
  end)

  it("in what tostring makes of handles", function()
    support.run(function()
      local listener, fd = pair()
      local stream <close>, peer = assert(listener:accept())
      assert.equal("unix:@" .. EVIL, peer) -- an address stays one
      assert.is_truthy(tostring(stream):find("peer unix:@" .. SHOWN .. ")", 1, true))
      listener:close()
      kio.close(fd)
      local named <close> = assert(kio.net.listen("unix:@" .. EVIL))
      assert.is_truthy(tostring(named):find(SHOWN, 1, true))
      local udp <close> = assert(kio.net.udp("unix:@udp" .. EVIL))
      assert.is_truthy(tostring(udp):find(SHOWN, 1, true))
      local path = support.tmpdir() .. "/" .. EVIL
      local file <close> = assert(kio.fs.open(path, "w"))
      local watch <close> = assert(kio.fs.watch(path))
      assert.is_truthy(tostring(file):find(SHOWN, 1, true))
      assert.is_truthy(tostring(watch):find(SHOWN, 1, true))
      assert(kio.fs.symlink("/bin/true", path .. "2"))
      local process <close> =
        assert(kio.process.spawn { path .. "2", env = { LD_PRELOAD = false } })
      assert.is_truthy(tostring(process):find(SHOWN, 1, true))
    end)
  end)
end)
