-- No public function ignores an argument: one that is behind those it takes is refused, unless it
-- is nil. Arguments that are right are found by the names of the parameters.
-- flavours: test
local api = require "spec.docs.api"
local kio = require "kio"
local support = require "spec.support"

-- Take any number of arguments, each of which is used or refused by what it is; stop is for
-- handlers and `__close`, which are called with arguments that it need not know.
local OTHERS = {
  ["Buffer:pack"] = true, ["File:lines"] = true, ["File:read"] = true, ["File:write"] = true,
  ["Runtime:block_on"] = true, ["Scope:spawn"] = true, ["Stream:read"] = true,
  ["Stream:send"] = true, ["Stream:write"] = true, ["kio.deadline"] = true,
  ["kio.shield"] = true, ["kio.signal.each"] = true, ["kio.signal.on"] = true,
  ["kio.signal.wait"] = true, ["kio.spawn"] = true, ["kio.spawn_blocking"] = true,
  ["kio.stop"] = true, ["kio.thread.each"] = true, ["kio.thread.spawn"] = true,
  ["kio.thread.spawn_on"] = true, ["kio.timeout"] = true,
}

local function nothing() end

-- What stands for a parameter of that name.
local by_name = {
  fd = 0, out_fd = 0, in_fd = 0, ["in"] = 0, out = 0, path = "/", path2 = "/", from = "/", to = "/",
  target = "/", name = "localhost", n = 1, size = 1, capacity = 1, permits = 1, at = 1, offset = 0,
  in_offset = 0, out_offset = 0, count = 1, length = 1, seconds = 1, bytes = "x", data = "x",
  flags = 0, mode = 0, permissions = "644", text = "x", delimiter = "x", events = "r", value = 1,
  list = { nothing }, functions = { nothing }, f = nothing, main = nothing, handler = nothing,
  sizes = { 1 }, format = "l", how = 0, whence = "cur", kind = "tcp4", type = nil, signal = "TERM",
  state = "READY=1", address = "127.0.0.1:1", group = "239.0.0.1", err = "x", source = "x", max = 1,
  backlog = 1, position = 1,
}

-- Where a name says too little.
local by_function = {
  ["Buffer:unpack"] = { 1, "b" }, ["Stream:option"] = { "nodelay", true },
  ["kio.accept"] = { 0 }, ["kio.fs.open"] = { "/", "r" }, ["kio.process.run"] = { { "true" } },
  ["kio.process.spawn"] = { { "true" } }, ["kio.send"] = { 0, "x", 0 }, ["kio.recv"] = { 0, 1, 0 },
  ["kio.shutdown"] = { 0, "both" }, ["Stream:shutdown"] = { "both" },
  ["kio.writev"] = { 0, { "x" } },
  ["kio.pwritev"] = { 0, { "x" }, 0 }, ["File:writev"] = { { "x" } }, ["kio.sendmsg"] = { 0, "x" },
  ["File:pwritev"] = { { "x" }, 0 }, ["Stream:send_fds"] = { "x", { 0 } },
  ["Udp:send_fds"] = { "x", { 0 } }, ["kio.net.notify"] = { "READY=1", { 0 } },
  ["kio.testing.faults"] = { { { error = "EIO" } } }, ["kio.testing.run"] = { nothing, {} },
  ["kio.run"] = { nothing, {} }, ["kio.runtime"] = { {} }, ["kio.fs.mkdir"] = { "/", "755" },
  ["kio.pool"] = { { connect = nothing } },
  ["kio.buffer"] = { 1 }, ["Buffer:set"] = { 1, "x" }, ["Buffer:copy"] = { 1, "x", 1, 1 },
  ["Buffer:fill"] = { 0, 1, 1 }, ["kio.map"] = { { 1 }, nothing }, ["File:sync"] = { true },
  ["kio.splice"] = { 0, nil, 0, nil, 1 },
}

-- The parameters of a function written in C, as the definitions tell them.
local types = api.text("^lua/types/.*%.d%.lua$")
local function defined_parameters(entry)
  local name = entry.method and entry.name or "kio." .. entry.key
  local area = entry.name:match("^kio%.(%l+)%.")
  if area then name = ("kio.%s_%s"):format(area, entry.key) end
  local text = types:match("\nfunction " .. name:gsub("%p", "%%%0") .. "%((.-)%)")
  local list = {}
  for each in (text or error("no definition of " .. entry.name)):gmatch("[^%s,]+") do
    list[#list + 1] = each
  end
  return list
end

local function parameters(entry)
  local info = debug.getinfo(entry.f, "Su")
  if info.what == "C" then return defined_parameters(entry) end
  local list = {}
  for i = entry.method and 2 or 1, info.nparams do
    list[#list + 1] = debug.getlocal(entry.f, i)
  end
  return list
end

-- Handles to call the methods of, by their classes.
local function handles()
  local near, far = assert(kio.socketpair())
  local scope
  kio.scope(function(self) scope = self end)
  local pool = kio.pool { connect = function() return {} end }
  return {
    Pool = pool, Lease = assert(pool:acquire()),
    Buffer = kio.buffer(16), Stream = kio.stream(near), far = kio.stream(far),
    Listener = assert(kio.net.listen "127.0.0.1:0"), Udp = assert(kio.net.udp "127.0.0.1:0"),
    Task = kio.spawn(nothing), Scope = scope, ThreadChannel = kio.thread.channel(1),
    ThreadEvent = kio.thread.event(), File = assert(kio.fs.open "/etc/passwd"),
    Process = assert(kio.process.spawn { "true" }), Mutex = kio.sync.mutex(),
    Semaphore = kio.sync.semaphore(1), Condition = kio.sync.condition(),
    Event = kio.sync.event(), Waitgroup = kio.sync.waitgroup(), Channel = kio.sync.channel(1),
  }
end

local function close(all)
  for _, name in ipairs { "Stream", "far", "Listener", "Udp", "File", "Process" } do
    all[name]:close()
  end
  all.Lease:release()
  all.Pool:close()
end

-- The arguments of a call: those the function takes, then `more`.
local function arguments(entry, all, ...)
  local names, list, n = parameters(entry), {}, 0
  local given = by_function[entry.name]
  if entry.method then
    n = 1
    list[1] = all[entry.name:match("^%w+")] or error("no handle for " .. entry.name)
  end
  for i, name in ipairs(names) do
    local value = by_name[name]
    if given then value = given[i] end
    if name == "buffer" then value = all.Buffer
    elseif name == "mutex" then value = all.Mutex
    elseif name == "file" then value = all.File end
    list[n + i] = value
  end
  if entry.name == "Condition:wait" then all.Mutex:try_lock() end
  n = n + #names
  for i = 1, select("#", ...) do list[n + i] = (select(i, ...)) end
  return table.unpack(list, 1, n + select("#", ...))
end

local function complaint(entry, all, ...)
  local ok, message = pcall(entry.f, arguments(entry, all, ...))
  if ok then return entry.name .. ": was called" end
  if tostring(message):find("too many arguments", 1, true) then return nil end
  return entry.name .. ": " .. tostring(message)
end

describe("a public function", function()
  it("refuses what is behind the arguments it takes", function()
    support.run(function()
      local all, found, count = handles(), {}, 0
      for _, entry in ipairs(api.list()) do
        if not OTHERS[entry.name] and not entry.name:find "^Runtime:" then
          count = count + 1
          found[#found + 1] = complaint(entry, all, "one more")
          found[#found + 1] = complaint(entry, all, nil, false)
        end
      end
      close(all)
      assert.same({}, found)
      assert.is_true(count > 180, count .. " functions")
    end)
  end)

  it("may be what a loop is over, which gives it the control variable", function()
    support.run(function()
      for _, channel in ipairs { kio.thread.channel(3), kio.sync.channel(3) } do
        for i = 1, 3 do channel:try_send(i) end
        channel:close()
        local sum = 0
        for value in channel.try_receive, channel do sum = sum + value end
        assert.equal(6, sum)
        support.expect_error("too many arguments", channel.try_receive, channel, 1)
      end
    end)
  end)

  it("of a runtime, too", function()
    local runtime <close> = assert(kio.runtime { threads = 1 })
    for _, name in ipairs { "running", "size" } do
      support.expect_error("too many arguments", runtime[name], runtime, 1)
    end
    support.expect_error("too many arguments", runtime.stop, runtime, { timeout = 1 }, 1)
    assert.is_true(runtime:running())
  end)

  it("names the argument that is one too many, at the line of the call", function()
    support.run(function()
      support.expect_error("arguments_spec.lua:%d+: bad argument #2 to 'read_file' %(too many",
        function() kio.fs.read_file("/etc/passwd", { timeout = 1 }) end)
      support.expect_error("arguments_spec.lua:%d+: bad argument #2 to 'select' %(too many",
        function() kio.select({ kio.sync.event() }, { timeout = 1 }) end)
      support.expect_error("arguments_spec.lua:%d+: bad argument #2 to 'lock' %(too many",
        function() kio.sync.mutex():lock(1, 2) end)
      support.expect_error("bad argument #2 to 'sleep' %(too many", function() kio.sleep(0, 1) end)
    end)
  end)

  it("takes nils there", function()
    support.run(function()
      assert.is_nil(kio.sleep(0, nil, nil))
      assert.is_table(kio.fs.stat("/", nil, nil, nil))
      assert.is_true(kio.sync.channel(1):send("x", nil, nil))
      assert.is_true(kio.buffer(1):close(nil))
    end)
  end)

  it("is called by for, __close and handlers as before", function()
    support.run(function()
      local listener <close> = assert(kio.net.listen "127.0.0.1:0")
      local udp <close> = assert(kio.net.udp "127.0.0.1:0")
      local channel <close> = kio.sync.channel(2)
      local shared <close> = kio.thread.channel(2)
      for _, each in ipairs { channel, shared } do
        each:send "a"
        each:close()
        local got = {}
        for value in each:iter() do got[#got + 1] = value end
        assert.same({ "a" }, got)
      end
      assert.is_false(pcall(function()
        local one <close> = kio.buffer(1)
        local other <close> = kio.thread.channel(1)
        error(tostring(one) .. tostring(other))
      end))
      assert.is_number(listener:fd() + udp:fd())
    end)
  end)
end)

describe("the list of those that take more", function()
  it("names public functions only", function()
    local names = {}
    for _, entry in ipairs(api.list()) do names[entry.name] = true end
    for name in pairs(OTHERS) do
      if not name:find "^Runtime:" then assert.is_true(names[name], name) end
    end
  end)
end)
