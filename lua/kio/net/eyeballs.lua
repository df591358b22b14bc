---Connecting to whichever of several addresses answers first: RFC 8305, "Happy Eyeballs". One
---attempt after the other begins, the next one when `delay` has passed or an attempt has failed;
---the first to succeed ends the others.
local _ENV = require "kio.core".globals
local core = require "kio.core"
local event = require "kio.sync.event"

local own = core.own

local eyeballs = {}

---Takes turns between the families, beginning with that of the first address (section 4).
---@param addresses kio.Address[]
---@return kio.Address[]
function eyeballs.interleave(addresses)
  local lists, out = { {}, {} }, {}
  local first = string.sub(addresses[1], 1, 1) == "["
  for _, address in ipairs(addresses) do
    table.insert(lists[(string.sub(address, 1, 1) == "[") == first and 1 or 2], address)
  end
  for i = 1, math.max(#lists[1], #lists[2]) do
    out[#out + 1] = lists[1][i]
    out[#out + 1] = lists[2][i]
  end
  return out
end

-- A connection that came although nobody waits for one any more is closed.
local Race = { __close = function(race) if race.stream then race.stream:close() end end }

local function seconds_left(race)
  return race.due and math.max(race.due - core.now(), 0)
end

local function attempt(race, address)
  local options = {}
  for name, value in pairs(race.options) do options[name] = value end
  options.timeout = seconds_left(race)
  local stream, message, code = race.connect(address, options)
  race.running = race.running - 1
  race.changed:set()
  if not stream then
    race.failed[#race.failed + 1] = string.gsub(message, "^connect ", "")
    race.code = code
  elseif race.stream then
    stream:close()
  else
    race.stream = stream
  end
end

-- Until an attempt ends, or for `seconds`.
local function wait(race, seconds)
  local left = seconds_left(race)
  if seconds and left then seconds = math.min(seconds, left) end
  race.changed:wait(seconds)
  race.changed:reset()
end

-- A timeout of 0 tries each once.
local function is_late(race)
  return race.due and race.options.timeout > 0 and core.now() >= race.due
end

local function run(race, addresses, delay)
  core.scope(function(scope)
    for i, address in ipairs(addresses) do
      if race.stream or i > 1 and is_late(race) then break end
      race.running = race.running + 1
      scope:spawn { attempt, race, address, name = "connect " .. address }
      if i < #addresses then wait(race, delay) end
    end
    while race.running > 0 and not race.stream do wait(race) end
    scope:cancel()
  end)
end

---@async
---@param name string what is connected to, for messages
---@param addresses kio.Address[] at least one
---@param options kio.ConnectOptions
---@param delay number seconds between two attempts
---@param due? number when all must be over, on the clock of kio.now
---@param connect? function for tests: what makes one attempt
---@return kio.Stream|nil stream
---@return string? message names each attempt
---@return string? code of the attempt that failed last
function eyeballs.connect(name, addresses, options, delay, due, connect)
  local race <close> = setmetatable({
    options = options, due = due, connect = connect or own.net_connect,
    running = 0, failed = {}, changed = event.new(),
  }, Race)
  run(race, eyeballs.interleave(addresses), delay)
  local stream = race.stream
  race.stream = nil
  if stream then return stream end
  return nil, string.format("connect %s: %s", name, table.concat(race.failed, "; ")), race.code
end

return eyeballs
