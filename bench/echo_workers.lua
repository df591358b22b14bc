-- The echo server on several workers: `workers=N`, `by=reuseport` (a listener each) or `by=spread`
-- (one listener, connections handed out); `work=N`: what each message makes its handler compute, in
-- turns of a loop. Keeps the contract of load.c, but for `once`.
local kio = require "kio"

local options = {}
for _, word in ipairs(arg) do
  local key, value = word:match "^(%w+)=(%w+)$"
  options[key or word] = value
end
local workers = math.tointeger(tonumber(options.workers))
if not workers or options.by ~= "reuseport" and options.by ~= "spread" then
  error("usage: workers=N by=reuseport|spread [work=N]", 0)
end
local work = math.tointeger(tonumber(options.work or 0)) or error("work must be a number", 0)

local function compute()
  local sum = 0
  for i = 1, work do sum = sum + i % 7 end
  return sum
end

local function echo(stream)
  while true do
    local data = stream:recv()
    if not data then break end
    compute()
    if not stream:write(data) then break end
  end
end

local function listen_on_all(address)
  local listeners = {}
  for i = 1, workers do
    listeners[i] = assert(kio.net.listen(address, { reuseport = true }))
    address = listeners[i]:address()
  end
  return listeners, address
end

local function say_ready(address)
  io.stdout:write("ready ", address:match ":(%d+)$", "\n")
  io.stdout:flush()
end

kio.run(function()
  if options.by == "spread" then
    local listener = assert(kio.net.listen "127.0.0.1:0")
    say_ready(listener:address())
    listener:serve(echo, { spread = true })
  end
  local listeners, address = listen_on_all "127.0.0.1:0"
  say_ready(address)
  for i, listener in ipairs(listeners) do
    kio.thread.spawn_on(i, function(own) own:serve(echo) end, listener)
  end
end, { threads = workers })
