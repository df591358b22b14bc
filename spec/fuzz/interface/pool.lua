-- The handles and functions a seed has come by, to be given to further calls.
local lfs = require "lfs"
local kio = require "kio"
local targets = require "spec.fuzz.interface.targets"

local pool = {}

local MOST = 12 -- of a class
local OWN = { userdata = true, table = true, ["function"] = true, thread = true }

local lists, numbers = {}, {}

function pool.add(value)
  if not OWN[type(value)] then return end
  targets.learn(value)
  local class = targets.class(value)
  local list = lists[class] or {}
  lists[class] = list
  if #list == MOST then table.remove(list, 1) end
  list[#list + 1] = value
end

function pool.pick(class, random)
  local list = lists[class]
  return list and list[1] and list[random(#list)]
end

-- Something of any class; nil when there is nothing.
function pool.any(random)
  local names = {}
  for name in pairs(lists) do names[#names + 1] = name end
  table.sort(names)
  return names[1] and pool.pick(names[random(#names)], random)
end

local PLACE <const>, HIGHEST <const> = lfs.currentdir(), 100

-- Whether Lua has that number open as a file of its own, or may have at any moment, on another
-- thread: who closes it takes it from who reads, and that one waits for ever for what comes next.
function pool.may_be_lua_s(fd)
  if math.type(fd) ~= "integer" or fd < 3 or fd > HIGHEST then return false end
  local target = lfs.symlinkattributes(("/proc/self/fd/%d"):format(fd), "target")
  if not target then return true end
  if not target:find "^/" then return false end
  return target:find("/plain-", 1, true) ~= nil or target:sub(1, #PLACE) ~= PLACE
end

local function is_open(fd)
  return math.type(fd) == "integer" and fd > 2
    and lfs.symlinkattributes(("/proc/self/fd/%d"):format(fd), "mode") ~= nil
end

-- A number that came as a result belongs to nobody but us when it is that of a descriptor.
local function note_number(value)
  if is_open(value) then numbers[#numbers + 1] = value end
end

-- What a call has returned.
function pool.note(value, deep)
  note_number(value)
  if type(value) ~= "table" or deep or debug.getmetatable(value) then return pool.add(value) end
  for i = 1, math.min(#value, 300) do pool.note(value[i], true) end
end

function pool.number(random) return numbers[1] and numbers[random(#numbers)] end

function pool.numbers() return numbers end

local PATIENCE = 0.01 -- seconds in which a close may send what was written

local function close_all(list)
  for _, value in ipairs(list) do
    pcall(function() value:close() end)
  end
end

-- One that waits for a peer that does not read, or for a program, is cut off.
local function close_soon(list)
  for _, value in ipairs(list) do
    pcall(kio.timeout, PATIENCE, function() value:close() end)
  end
end

-- Forgets everything, and closes what can be closed; in a task or not.
function pool.clear(task)
  local old = lists
  lists = {}
  for _, list in pairs(old) do (task and close_soon or close_all)(list) end
end

return pool
