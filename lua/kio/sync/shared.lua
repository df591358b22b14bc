---What workers share as alternatives of kio.select: thread channels and thread events. Another
---worker may be faster at any moment, so taking one may fail although it was ready; then `take`
---gives `missed`, and who selects looks again.
local _ENV = require "kio.core".globals
local own = require "kio.core".own

local shared = { missed = {} }

local missed = shared.missed

-- What try_send and try_receive came to.
local function received(value, _, code)
  if code == "EAGAIN" then return missed end
  return value
end

local function sent(ok, message, code)
  if code == "EAGAIN" then return missed end
  if ok then return true end
  return nil, (string.gsub(message, "^try_", "")), code
end

-- By the __name of the metatable.
local of_type = {
  ["kio.ThreadChannel"] = {
    shared = true,
    queue = function(channel) return own.thread_channel_watch(channel, false) end,
    ready = function(channel) return own.thread_channel_ready(channel, false) end,
    take = function(channel) return received(channel:try_receive()) end,
    given = function() return missed end,
  },
  ["kio.ThreadEvent"] = {
    shared = true,
    queue = own.thread_event_watch,
    ready = function(event) return event:is_set() end,
    take = function() return true end,
    given = function() return true end,
  },
}

shared.sending = {
  shared = true,
  queue = function(channel) return own.thread_channel_watch(channel, true) end,
  ready = function(channel) return own.thread_channel_ready(channel, true) end,
  take = function(channel, value) return sent(channel:try_send(value)) end,
  given = function() return missed end,
}

---The kind of an alternative, nil for what is not shared.
---@param value any
function shared.kind(value)
  if type(value) ~= "userdata" then return nil end
  local meta = getmetatable(value)
  return meta and of_type[rawget(meta, "__name")]
end

---Whether it is a channel.
---@param value any
---@return boolean
function shared.is_channel(value) return shared.kind(value) == of_type["kio.ThreadChannel"] end

-- ---- waiting ----

local Watches = {}

-- A list of watches and queues ends with each watch.
function Watches:__close()
  for i = 1, #self do
    local meta = getmetatable(self[i])
    if meta.__name == "kio.ThreadWatch" then meta.__close(self[i]) end
  end
end

---Waits as own.wait_any; false when one of what is shared is ready meanwhile.
---@async
---@param alternatives table
---@param timeout? number
function shared.wait(alternatives, timeout)
  local queues <close> = setmetatable({}, Watches)
  for i = 1, alternatives.n do
    queues[i] = alternatives.kinds[i].queue(alternatives.objects[i])
    if not queues[i] then return false end
  end
  return own.wait_any(queues, timeout, alternatives.values)
end

return shared
