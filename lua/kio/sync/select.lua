---kio.select: waits for the first of several things. Among those that are ready at once each has
---the same chance, so none is starved by a busy neighbour.
local _ENV = require "kio.core".globals
local channel = require "kio.sync.channel"
local check = require "kio.check"
local core = require "kio.core"
local event = require "kio.sync.event"
local outcome = require "kio.sync.outcome"
local shared = require "kio.sync.shared"

local own = core.own

local kind_of = check.kind
local getmetatable, type = getmetatable, type -- asked for each alternative

local over = { done = true, failed = true, cancelled = true }

-- Each kind of alternative tells the queue to wait in, whether it is ready, how to take it then,
-- and what it came to when a waker gave something; see shared.lua for those of several workers.
local task_kind = {
  queue = function(task) return task end,
  ready = function(task) return over[task:status()] end,
  take = own.task_result,
  given = own.task_result,
}

local kinds = { [channel.Channel] = channel.receiving, [event.Event] = event.waiting }

-- A private generator: the program's own random numbers stay what its seed makes them.
local state = 0x2545F4914F6CDD1D
local function random_below(n)
  state = state * 6364136223846793005 + 1442695040888963407
  return (state >> 33) % n
end

-- ---- the list ----

-- Of another copy of kio.
local function is_foreign(value)
  local name = kind_of(value)
  local ours = kinds[getmetatable(value)] or name ~= "kio.Channel" and name ~= "kio.Event"
  return not ours and kind_of(value, name)
end

local MANY = "one value at a time"

-- Kind, object and, of a send, value of an entry; or what is wrong with it.
local function classify(entry, me)
  local meta = getmetatable(entry)
  local first = type(entry) == "table" and rawget(entry, 1)
  if kinds[meta] then
    return kinds[meta], entry
  elseif type(entry) == "userdata" and meta == getmetatable(me) then
    if entry == me then return nil, "a task cannot wait for itself" end
    return task_kind, entry
  elseif getmetatable(first) == channel.Channel then
    local value = rawget(entry, 2)
    local wrong = rawlen(entry) > 2 and MANY or channel.sending.wrong(first, value)
    if wrong then return nil, wrong end
    return channel.sending, first, value
  elseif shared.kind(entry) then
    return shared.kind(entry), entry
  elseif shared.is_channel(first) then
    local value = rawget(entry, 2)
    local wrong = rawlen(entry) > 2 and MANY or value == nil and channel.SEND_NIL
    if wrong then return nil, wrong end
    return shared.sending, first, value
  end
  return nil, "a channel, an event, a task or { channel, value } expected, got " ..
    (is_foreign(entry) or is_foreign(first) or type(entry))
end

-- A key that is neither `timeout` nor 1 to n.
local function unknown_key(list, n)
  local known = list.timeout == nil and n or n + 1
  for _ in next, list do known = known - 1 end
  if known >= 0 then return nil end
  for key in next, list do
    local index = math.type(key) == "integer" and key >= 1 and key <= n
    if not index and key ~= "timeout" then return own.text_of(key) end
  end
end

-- Reads the list into parallel lists; else what is wrong with it.
local function read(list, me)
  local n = #list
  local unknown = unknown_key(list, n)
  if unknown then return nil, string.format("unknown option '%s'", unknown) end
  if n == 0 then return nil, "nothing to wait for" end
  local all_kinds, objects, values, is_shared = {}, {}, {}, false
  for i = 1, n do
    local kind, object, value = classify(list[i], me)
    if not kind then return nil, string.format("alternative #%d: %s", i, object) end
    all_kinds[i], objects[i] = kind, object
    values[i] = value == nil or value -- no holes; only a send's is looked at
    is_shared = is_shared or kind.shared
  end
  return { n = n, kinds = all_kinds, objects = objects, values = values, shared = is_shared }
end

-- ---- the choice ----

-- One of those that are ready; nil when none is.
local function choose(alternatives)
  local all_kinds, objects = alternatives.kinds, alternatives.objects
  local chosen, count = nil, 0
  for i = 1, alternatives.n do
    if all_kinds[i].ready(objects[i]) then
      count = count + 1
      if random_below(count) == 0 then chosen = i end
    end
  end
  return chosen
end

local function wait(alternatives, timeout)
  local all_kinds, objects, queues = alternatives.kinds, alternatives.objects, {}
  for i = 1, alternatives.n do queues[i] = all_kinds[i].queue(objects[i]) end
  return own.wait_any(queues, timeout, alternatives.values)
end

-- The same when some are shared: false when one of them is ready meanwhile.
local function wait_shared(alternatives)
  local due = alternatives.due
  return shared.wait(alternatives, due and math.max(due - core.now(), 0))
end

local attempt

-- Other workers may go on being faster: it must not be for ever.
local function again(alternatives, timeout)
  local _, spent = own.checkpoint()
  alternatives.spent = spent
  return attempt(alternatives, timeout)
end

-- What alternative `i` came to; another worker may have been faster.
local function take(alternatives, timeout, i, first, ...)
  if first == shared.missed then return again(alternatives, timeout) end
  return i, first, ...
end

-- Takes one that is ready, or waits for the first.
function attempt(alternatives, timeout)
  local all_kinds, objects = alternatives.kinds, alternatives.objects
  local ready = choose(alternatives)
  if ready and alternatives.spent then
    alternatives.spent = nil
    own.let_turn()
    ready = choose(alternatives)
  end
  if ready then
    return take(alternatives, timeout, ready,
      all_kinds[ready].take(objects[ready], alternatives.values[ready]))
  end
  local woken, given
  if alternatives.shared then woken, given = wait_shared(alternatives)
  else woken, given = wait(alternatives, timeout) end
  if woken == false then return again(alternatives, timeout) end
  if not woken then return outcome.late "select" end
  return take(alternatives, timeout, woken, all_kinds[woken].given(objects[woken], given))
end

---Waits for the first of several alternatives, and does it, and no other: a channel to receive
---from, `{ channel, value }` to send the value, an event to be set, a task to end. Channels and
---events may be of kio.sync or of kio.thread.
---@async
---@param list table the alternatives, and `timeout` in seconds
---@return integer|nil index which one; nil when the time is over
---@return any ... the value received (nil: closed and empty), true, or the task's results; raises
---the error of a task that failed. Else message, "ETIMEDOUT".
local function select(list, ...)
  local meta = getmetatable(list)
  if type(list) ~= "table" or meta then -- the most likely one: select(channel, event)
    check.refuse(1, "select", "a list of alternatives expected, got " .. kind_of(list))
  end
  check.no_more(1, "select", ...)
  local timeout = check.seconds(list.timeout, 1, "select")
  local me, spent = own.checkpoint()
  local alternatives, wrong = read(list, me)
  if not alternatives then check.misuse("select: " .. wrong) end
  alternatives.spent = spent
  if alternatives.shared then alternatives.due = timeout and core.now() + timeout end
  return attempt(alternatives, timeout)
end

return select
