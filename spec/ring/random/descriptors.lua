-- Random programs on descriptors of every kind: operations that are tried once, and such as wait
-- and are satisfied, cancelled, shut down or closed. What each gives depends on the steps before it
-- alone, for two never want the same bytes.
local kio = require "kio"
local operations = require "spec.ring.random.operations"
local program = require "spec.ring.random.program"

local c = kio.const
local descriptors = {}

local TRY <const> = { timeout = 0 }
local BAD <const> = 19998 -- a number that is not open

-- Descriptors that all programs of a run share: F a file, T a folder, Z and N devices, B none, L a
-- listener.
local SHARED <const> = { "F", "T", "Z", "N", "B", "L" }
local is_shared = {}
for _, name in ipairs(SHARED) do is_shared[name] = true end
local STILL <const> = { F = true, T = true, Z = true, N = true } -- these nobody waits for

-- ---- what is open ----

function descriptors.open(folder, address)
  local fds = { B = BAD }
  fds.F = assert(kio.openat(nil, folder .. "/file", c.O_RDWR | c.O_CREAT | c.O_TRUNC))
  fds.T = assert(kio.openat(nil, folder, c.O_RDONLY | c.O_DIRECTORY))
  fds.Z = assert(kio.openat(nil, "/dev/zero", c.O_RDWR))
  fds.N = assert(kio.openat(nil, "/dev/null", c.O_RDWR))
  fds.L = assert(kio.socket "unix")
  assert(kio.bind(fds.L, address))
  assert(kio.listen(fds.L, 100))
  return { fds = fds, address = address }
end

function descriptors.close(shared)
  for name, fd in pairs(shared.fds) do
    if name ~= "B" then assert(kio.close(fd)) end
  end
end

local function keep(p, name, fd) p.fds[name], p.names[#p.names + 1] = fd, name end

local function keep_pair(p, letter, a, b)
  keep(p, letter .. 1, a)
  keep(p, letter .. 2, b)
end

-- U: a socket that is not connected yet.
local function open(shared, seed)
  local p = program.new(seed)
  p.fds, p.names, p.address = {}, {}, shared.address
  local kind = p.roll(4)
  if kind == 1 then keep_pair(p, "D", kio.socketpair "datagram")
  elseif kind == 2 then keep_pair(p, "Q", kio.socketpair "seqpacket")
  elseif kind == 3 then
    for _, name in ipairs(SHARED) do keep(p, name, shared.fds[name]) end
    keep(p, "U", assert(kio.socket "unix"))
  end
  if p.roll(2) == 1 then keep_pair(p, "S", kio.socketpair()) end
  if p.roll(2) == 1 or #p.names == 0 then
    local r, w = kio.pipe()
    keep(p, "R", r)
    keep(p, "W", w)
  end
  return p
end

local function close_all(p, shared)
  for _, name in ipairs(p.names) do
    if not is_shared[name] then assert(kio.close(p.fds[name])) end
  end
  if not p.fds.L then return end
  repeat -- as the next program expects it
    local fd = kio.accept(shared.fds.L, TRY)
    if fd then assert(kio.close(fd)) end
  until not fd
  assert(kio.ftruncate(shared.fds.F, 0))
end

-- ---- steps ----

local step = {}

-- Readiness is told truly to one alone: no poll beside another operation.
local function rivals(name, way)
  if way == "poll" then return name .. "poll", name .. "in", name .. "out" end
  return name .. way, name .. "poll"
end

local function operation(p, waits)
  local name, chosen = p:one_of(p.names), p:one_of(operations.waiting)
  local what, way, f = chosen(p)
  local text, fd = name .. " " .. what, p.fds[name]
  if p:is_busy(rivals(name, way)) or (name == "Z" and way == "in") then return end
  if STILL[name] then
    if way ~= "poll" then p:note(text, f(fd)) end
  elseif waits then p:start(text, { name .. way }, f, fd)
  else p:note(text, f(fd, TRY)) end
end

function step.try(p) operation(p, false) end
function step.wait(p) operation(p, true) end

function step.splice(p)
  local from, to, n, waits = p:one_of(p.names), p:one_of(p.names), p.roll(20), p.roll(2) == 1
  local keys = {}
  for _, way in ipairs { "in", "out", "poll" } do
    table.move({ from .. way, to .. way }, 1, 2, #keys + 1, keys)
  end
  if from == to or STILL[from] or STILL[to] or p:is_busy(table.unpack(keys)) then return end
  local text = ("splice %s %s %d"):format(from, to, n)
  if waits then p:start(text, keys, kio.splice, p.fds[from], nil, p.fds[to], nil, n)
  else p:note(text, kio.splice(p.fds[from], nil, p.fds[to], nil, n, TRY)) end
end

function step.at_once(p)
  local name, chosen = p:one_of(p.names), p:one_of(operations.at_once)
  local what, f = chosen(p)
  -- a datagram socket without input: an end for who waits, and nothing sure for who tries once
  if what == "shutdown" and name:find "[LD]" then return end
  p:note(name .. " " .. what, f(p.fds[name]))
end

function step.cancel(p) p:cancel_one() end

function step.cancel_all(p)
  local name = p:one_of(p.names)
  if not is_shared[name] then p:note("cancel all of " .. name, kio.cancel(p.fds[name])) end
end

function step.close(p)
  local at = p.roll(#p.names)
  local name = p.names[at]
  if is_shared[name] or #p.names == 1 then return end
  p:note("close " .. name, kio.close(p.fds[name]))
  table.remove(p.names, at)
end

local STEPS <const> = {
  step.try, step.try, step.try, step.try, step.try, step.try, step.wait, step.wait, step.wait,
  step.wait, step.splice, step.splice, step.at_once, step.cancel, step.cancel_all, step.close,
}

-- What the program of that number sees.
function descriptors.run(shared, seed)
  local p = open(shared, seed)
  for _ = 1, 3 + p.roll(9) do
    p:one_of(STEPS)(p)
    p:settle()
  end
  local text = p:finish()
  close_all(p, shared)
  return text
end

return descriptors
