-- The ring does not survive a fork, and says so. Run by spec/c/fork.c, which adds fork, wait and
-- exit_now. A child tells what it found by its exit status: GOOD, or the error on stderr.
-- luacheck: read globals fork wait exit_now
package.path = "./lua/?.lua;./lua/?/init.lua"
local kio = require "kio"

local GOOD = 7

-- Runs f in a forked child, which ends with it; back in the parent, checks that f was satisfied.
local function in_child(f)
  local pid = fork()
  if pid == 0 then
    local ok, err = xpcall(f, debug.traceback)
    if not ok then io.stderr:write("child: ", err, "\n") end
    exit_now(ok and GOOD or 1)
  end
  local status = wait(pid)
  assert(status == GOOD, "the child ended with " .. status)
end

local function expect_error(pattern, f, ...)
  local ok, err = pcall(f, ...)
  assert(not ok, "expected an error that matches " .. pattern)
  assert(tostring(err):find(pattern), "unexpected error: " .. tostring(err))
end

-- A connected pair of streams, with a task of the parent waiting in recv on the first; in flight.
local function waiting_pair()
  local listener <close> = assert(kio.net.listen("127.0.0.1:0"))
  local accepted = kio.spawn(function() return (listener:accept()) end)
  local a = assert(kio.net.connect(listener:address()))
  local b = accepted:await()
  local reader = kio.spawn(function() return a:recv() end)
  kio.yield()
  kio.yield()
  return a, b, reader
end

local tests = {}

function tests.operations_raise_and_the_parent_goes_on()
  kio.run(function()
    local a, b, reader = waiting_pair()
    local r, w = kio.pipe()
    in_child(function()
      for _, f in ipairs {
        function() kio.sleep(0) end, kio.yield, function() kio.spawn(print) end,
        function() kio.write(w, "x") end, function() kio.close(r) end, function() a:recv() end,
        function() a:write("x") end, function() kio.cancel(r) end, function() reader:await() end,
      } do
        expect_error("forked child: the ring stays with the parent", f)
      end
      assert(kio.now() > 0 and kio.check().usable)
    end)
    assert(b:send("hello"))
    assert(reader:await() == "hello")
    a:close()
    b:close()
    kio.close(r)
    kio.close(w)
  end)
end

function tests.a_child_that_returns_ends_its_loop_and_runs_nobody_else()
  local pid
  local ran = false
  local ok, err = pcall(kio.run, function()
    local a, b, reader = waiting_pair()
    local other = kio.spawn(function() ran = true end)
    pid = fork()
    if pid == 0 then return end
    assert(wait(pid) == GOOD)
    b:send("still here")
    assert(reader:await() == "still here")
    other:await()
    a:close()
    b:close()
  end)
  if pid == 0 then
    local said = not ok and tostring(err):find("the loop belongs to the parent process", 1, true)
    if not said then io.stderr:write("child: ", tostring(err), "\n") end
    exit_now(said and not ran and GOOD or 1)
  end
  assert(ok, err)
  assert(ran)
end

function tests.a_child_that_fails_raises_its_own_error()
  local pid
  local ok, err = pcall(kio.run, function()
    kio.spawn(function() kio.sleep(0) end)
    kio.yield()
    pid = fork()
    if pid == 0 then error("the child's own trouble") end
    assert(wait(pid) == GOOD)
  end)
  if pid == 0 then
    local said = not ok and tostring(err):find("the child's own trouble.-stack traceback")
    exit_now(said and GOOD or 1)
  end
  assert(ok, err)
end

function tests.a_child_may_run_a_loop_of_its_own()
  local pid
  local ok, err = pcall(kio.run, function()
    local a, b, reader = waiting_pair()
    local shared = assert(kio.net.listen("127.0.0.1:0"))
    pid = fork()
    if pid == 0 then
      assert(kio.run(function()
        kio.sleep(0.001)
        assert(b:send("from the child")) -- its copy of the parent's stream
        local stream <close> = assert(shared:accept())
        assert(stream:send("served by the child"))
        return "ran"
      end) == "ran")
      return
    end
    local client = assert(kio.net.connect(shared:address()))
    assert(client:recv() == "served by the child")
    assert(reader:await() == "from the child")
    assert(wait(pid) == GOOD)
    for _, handle in ipairs { a, b, client, shared } do handle:close() end
  end)
  if pid == 0 then
    local said = not ok and tostring(err):find("the loop belongs to the parent process", 1, true)
    if not said then io.stderr:write("child: ", tostring(err), "\n") end
    exit_now(said and GOOD or 1)
  end
  assert(ok, err)
end

function tests.closing_in_the_child_ends_nothing_in_the_parent()
  kio.run(function()
    local a, b, reader = waiting_pair()
    local listener = assert(kio.net.listen("127.0.0.1:0"))
    local accepted = kio.spawn(function() return (listener:accept()) end)
    kio.yield()
    in_child(function()
      assert(a:close() and b:close() and listener:close())
    end)
    local client = assert(kio.net.connect(listener:address()))
    local stream = accepted:await()
    b:send("open")
    assert(reader:await() == "open")
    for _, handle in ipairs { a, b, client, stream, listener } do handle:close() end
  end)
end

function tests.finalizers_in_the_child_end_nothing_in_the_parent()
  kio.run(function()
    local a, b, reader = waiting_pair()
    local listener = assert(kio.net.listen("127.0.0.1:0"))
    local accepted = kio.spawn(function() return (listener:accept()) end)
    kio.yield()
    local pid = fork()
    if pid == 0 then os.exit(GOOD, true) end -- closes the state: every finalizer runs
    assert(wait(pid) == GOOD)
    local client = assert(kio.net.connect(listener:address()))
    local stream = accepted:await()
    b:send("open")
    assert(reader:await() == "open")
    for _, handle in ipairs { a, b, client, stream, listener } do handle:close() end
  end)
end

function tests.a_child_forked_outside_a_run_runs_its_own()
  kio.run(function() end)
  in_child(function() assert(kio.run(function() return kio.sleep(0) or "ran" end) == "ran") end)
end

local names = {}
for name in pairs(tests) do names[#names + 1] = name end
table.sort(names)
for _, name in ipairs(names) do
  local ok, err = xpcall(tests[name], debug.traceback)
  if not ok then error(("%s: %s"):format(name, err), 0) end
end
