-- Values that fight back: options whose metamethods close, yield, raise or collect while they are
-- read, and finalizers that close handles in the middle of whatever is under way.
-- flavours: test asan hostile
-- timeout: 120
local kio = require "kio"
local support = require "spec.support"

local function streams()
  local near, far = assert(kio.socketpair "stream")
  return kio.stream(near), kio.stream(far)
end

local function cat()
  return assert(kio.process.spawn {
    "cat", stdin = "pipe", stdout = "pipe", env = { LD_PRELOAD = false },
  })
end

-- A table that does `act` whenever it is looked at.
local function restless(act)
  return setmetatable({}, {
    __index = function() act() end,
    __len = function()
      act()
      return 0
    end,
    __pairs = function()
      act()
      return next, {}, nil
    end,
  })
end

-- What such a table does to the handle it is given along with.
local acts = {
  function(handle) pcall(handle.close, handle) end,
  function() kio.yield() end,
  function() error "restless" end,
  function() collectgarbage() end,
  function() pcall(kio.sleep, 0.0001) end,
}

-- Of each kind: how one is made, and calls with a handle and such a table.
local kinds = {
  {
    function()
      local one, other = streams()
      other:send "hello\nworld\n"
      return one, other
    end,
    function(s, o) return s:read("l", o) end,
    function(s, o) return s:recv(3, o) end,
    function(s, o) return s:read_until("\n", o) end,
    function(s, o) return s:peek(2, o) end,
    function(s, o) return s:recv_into(kio.buffer(3), 1, 2, o) end,
    function(s, o) return s:flush(o) end,
    function(s, o) return s:close(o) end,
    function(s, o) return s:send_fds("x", { s }, o) end,
    function(s, o) return s:send_fds("x", { o }) end,
    function(s, o) return s:recv_fds(10, o) end,
    function(s, o) return s:write { "a", o } end,
    function(s, o) return s:write(o) end,
    function(s, o) return s:lines("l", o)() end,
  },
  {
    function()
      local socket = assert(kio.net.udp "127.0.0.1:0")
      assert(socket:connect(socket:address()) and socket:send "xx")
      return socket
    end,
    function(s, o) return s:receive(10, o) end,
    function(s, o) return s:receive_from(10, o) end,
    function(s, o) return s:send("x", o) end,
    function(s, o) return s:send { "a", o } end,
    function(s, o) return s:join("224.0.0.1", o) end,
    function(s, o) return s:connect("127.0.0.1:1", o) end,
  },
  {
    function() return (assert(kio.net.listen "127.0.0.1:0")) end,
    function(s, o) return s:accept(o) end,
    function(s, o) return s:serve(print, o) end,
  },
  {
    function()
      local file = assert(kio.fs.open(support.tmpdir() .. "/file", "w+"))
      assert(file:write "hello\nworld\n")
      return file
    end,
    function(s, o) return s:pread(3, 0, o) end,
    function(s, o) return s:stat(o) end,
    function(s, o) return s:truncate(3, o) end,
    function(s, o) return s:writev(o) end,
    function(s, o) return s:readv(o) end,
    function(s, o) return s:write(o) end,
  },
  {
    function() return kio.buffer "0123456789" end,
    function(s, o) return s:set(1, o) end,
    function(s, o) return s:copy(1, o) end,
  },
  {
    cat,
    function(s, o) return s:wait(o) end,
    function(s, o) return s:kill(o) end,
  },
}

describe("options that act while they are read", function()
  it("meet an error or a result, and nothing that is not there any more", function()
    support.run(function()
      local ended = 0
      for _, kind in ipairs(kinds) do
        for i = 2, #kind do
          for _, act in ipairs(acts) do
            local handle, other = kind[1]()
            local options = restless(function() act(handle) end)
            kio.timeout(0.005, pcall, kind[i], handle, options)
            ended = ended + 1
            pcall(handle.close, handle)
            if other then other:close() end
          end
        end
      end
      assert.is_true(ended > 100)
    end)
  end)
end)

-- ---- finalizers ----

-- Something to be collected soon, which closes one of the handles then.
local function bomb(handles)
  setmetatable({}, { __gc = function()
    local handle = table.remove(handles, math.random(#handles + 1))
    if handle then pcall(handle.close, handle) end
  end })
end

-- Tasks that use all kinds of handles at once, with bombs between their steps.
local function turmoil(scope, folder, handles)
  local function drop() bomb(handles) end
  local function own(handle)
    handles[#handles + 1] = handle
    return handle
  end
  local one, other = streams()
  local a, b = own(one), own(other)
  local file = own(assert(kio.fs.open(folder .. "/file", "w+")))
  local udp, listener = own(assert(kio.net.udp "127.0.0.1:0")), own(assert(kio.net.listen "unix:@"))
  local to, door, buffer = udp:address(), listener:address(), own(kio.buffer(100))
  own(buffer:slice(3, 50))
  for _, f in ipairs {
    function() for i = 1, 20 do drop() a:write(("x"):rep(i * 50), i, "\n") a:flush() end end,
    function() for _ in b:lines() do drop() end end,
    function() for i = 1, 10 do drop() file:write(i, "\n") file:pread_into(buffer, 1, 5, 0) end end,
    function() for i = 1, 10 do drop() udp:send_to(i, to) udp:receive() end end,
    function()
      for stream in listener:accepts() do
        drop()
        own(stream):write "hi"
        stream:recv()
      end
    end,
    function()
      for _ = 1, 3 do
        local client = own(assert(kio.net.connect(door)))
        drop()
        client:send_fds("x", { a, b })
        client:recv_into(buffer)
      end
    end,
    function() for _ = 1, 5 do drop() kio.fs.read_file(folder .. "/file") end end,
    function()
      local child = own(cat())
      child.stdin:write "abc"
      drop()
      child.stdout:recv()
      child:wait()
    end,
  } do
    scope:spawn(pcall, f)
  end
end

describe("finalizers that close handles", function()
  it("in the middle of operations crash nothing and leave nothing open", function()
    local rounds = support.flavour == "test" and 30 or 10
    support.collect_eagerly()
    support.run(function()
      local folder, handles = support.tmpdir(), {}
      for _ = 1, rounds do
        kio.timeout(0.1, kio.scope, function(scope) turmoil(scope, folder, handles) end)
        while #handles > 0 do
          local handle = table.remove(handles) -- closing may have a bomb go off
          if handle then pcall(handle.close, handle) end
        end
      end
    end)
    support.collect_as_usual()
  end)
end)
