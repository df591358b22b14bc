-- What spec/fault/exhausted_spec.lua runs in a process with few descriptors: every way to come by
-- one, while others hold all but none, one, two ... of them. Prints a line for each outcome that is
-- neither what was asked for nor a clear error, and for each descriptor that stays behind.
local kio = require "kio"
local common = require "spec.process.common"

local c = kio.const
local folder = ...
local SPARE <const> = 9 -- more than any of the ways needs
local NEED_NONE <const> = { resolve = true, blocking = true }
local WORDS <const> = { EMFILE = "too many open files", ENFILE = "too many open files in system" }

local function unix() return "unix:@exhausted-" .. math.random(1 << 40) end

-- Each gives a function that comes by a descriptor; what it needs for that is made here.
local ways = {
  listener = function() return function() return kio.net.listen "127.0.0.1:0" end end,
  ["unix listener"] = function() return function() return kio.net.listen(unix()) end end,
  udp = function() return function() return kio.net.udp "127.0.0.1:0" end end,
  connect = function(listener)
    return function() return kio.net.connect(listener:address()) end
  end,
  ["connect by name"] = function(listener)
    local port = listener:address():match ":(%d+)$"
    return function() return kio.net.connect("localhost:" .. port) end
  end,
  resolve = function() return function() return kio.net.resolve "localhost" end end,
  accept = function(listener)
    local client = assert(kio.net.connect(listener:address()))
    return function()
      local stream, message, code = listener:accept { timeout = 20 }
      client:close()
      return stream, message, code
    end
  end,
  ["raw accept"] = function(listener)
    local client = assert(kio.net.connect(listener:address()))
    return function()
      local fd, message, code = kio.accept(listener:fd(), { timeout = 20 })
      client:close()
      return fd, message, code
    end
  end,
  socket = function() return function() return kio.socket "tcp4" end end,
  socketpair = function() return kio.socketpair end,
  pipe = function() return kio.pipe end,
  openat = function() return function() return kio.openat(nil, "/", c.O_RDONLY) end end,
  open = function() return function() return kio.fs.open "/dev/null" end end,
  read_file = function() return function() return kio.fs.read_file "/proc/self/stat" end end,
  write_file = function()
    return function() return kio.fs.write_file(folder .. "/plain", "x") end
  end,
  ["write_file in place of another"] = function()
    return function() return kio.fs.write_file(folder .. "/whole", "x", { atomic = true }) end
  end,
  copy = function() return function() return kio.fs.copy("/etc/passwd", folder .. "/copy") end end,
  readdir = function() return function() return kio.fs.readdir "/" end end,
  watch = function() return function() return kio.fs.watch(folder) end end,
  sendfile = function()
    local from, to = kio.openat(nil, "/etc/passwd", 0), kio.openat(nil, "/dev/null", 1)
    return function()
      local count, message, code = kio.sendfile(to, from, 0, 10)
      kio.close(from)
      kio.close(to)
      return count, message, code
    end
  end,
  spawn = function()
    return function()
      local argv = { "true", stdin = "pipe", stdout = "pipe", stderr = "pipe" }
      local process, message, code = common.spawn(argv)
      if process then process:wait() end
      return process, message, code
    end
  end,
  signal = function() -- which raises
    return function()
      local ok, err = pcall(kio.signal.on, "USR1", function() end)
      return ok or nil, err, not ok and err:match "%((E%u+)%)"
    end
  end,
  blocking = function()
    return function()
      local ok, value, _, code = kio.spawn_blocking(function() return true end):join()
      return ok and value, value, code
    end
  end,
}

-- ---- one of them with so many to spare ----

local function fill()
  local held = {}
  repeat
    local file = io.open "/dev/null"
    held[#held + 1] = file
  until not file
  return held
end

local function let_go(held, count)
  for _ = 1, math.min(count, #held) do table.remove(held):close() end
end

local function close(value, ...)
  if math.type(value) == "integer" and value > 2 then kio.close(value)
  elseif type(value) == "userdata" or type(value) == "table" and value.close then
    pcall(value.close, value)
  end
  if select("#", ...) > 0 then close(...) end
end

-- What is wrong with the outcome; nil: nothing.
local function complaint(ok, value, message, code)
  if not ok then return "raised " .. tostring(value) end
  if value then return nil end
  local words = WORDS[code]
  if not words then return ("gave %s, %s, %s"):format(value, message, code) end
  if not tostring(message):lower():find(words, 1, true) then return "said " .. tostring(message) end
end

local function descriptors() return #assert(kio.fs.readdir "/proc/self/fd") end

local function try(name, spare)
  local failed = false
  local function tell(wrong)
    if wrong then print(("%s, with %d to spare, %s"):format(name, spare, wrong)) end
  end
  kio.run(function()
    local listener <close> = assert(kio.net.listen "127.0.0.1:0")
    local way = ways[name](listener)
    local held = fill()
    let_go(held, spare)
    local outcome = table.pack(pcall(way))
    let_go(held, #held)
    tell(complaint(table.unpack(outcome, 1, 4)))
    failed = not outcome[2]
    close(table.unpack(outcome, 2, outcome.n))
    if failed then -- and now there are enough again
      local again = table.pack(pcall(ways[name](listener)))
      if not again[2] then tell("then " .. (complaint(table.unpack(again, 1, 4)) or "failed")) end
      close(table.unpack(again, 2, again.n))
    end
  end)
  collectgarbage()
  collectgarbage()
  return failed
end

local names = {}
for name in pairs(ways) do names[#names + 1] = name end
table.sort(names)

for _, name in ipairs(names) do
  try(name, SPARE) -- what a process keeps for good is there
  local before, failures = descriptors(), 0
  for spare = 0, SPARE do
    if try(name, spare) then failures = failures + 1 end
    local after = descriptors()
    if after ~= before then
      print(("%s, with %d to spare, leaves %d"):format(name, spare, after - before))
      before = after
    end
  end
  if failures == 0 and not NEED_NONE[name] then print(name .. " never failed") end
  if failures > SPARE then print(name .. " always failed") end
end
print(#names, "ways")
