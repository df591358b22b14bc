---Several functions at once: all, map, race, as_completed. Each runs them as tasks in a scope of
---its own: none outlives the call, and the first error cancels the others and is raised when they
---have ended. Deadlines and cancellations from outside hold for all of them. See docs/scopes.md.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local core = require "kio.core"

local own = core.own
local pack, unpack = table.pack, table.unpack

---@class kio.Group
local group = {}

-- What is wrong with a list of functions, or of what is_good says; nil: nothing.
local function wrong_list(list, is_good, wanted)
  if type(list) ~= "table" then return "a list of functions expected, got " .. type(list) end
  for i = 1, #list do
    if type(list[i]) ~= "function" and not (is_good and is_good(list[i])) then
      return string.format("element %d: a %s expected, got %s", i, wanted or "function",
        check.kind(list[i]))
    end
  end
end

local function wrong_limit(options)
  local limit = options and options.limit
  if limit == nil or math.type(limit) == "integer" and limit >= 1 then return nil end
  return "option 'limit' must be an integer of 1 or more"
end

-- ---- running ----

-- Calls job(entry, i) for every entry of the list, each in a task of the scope, `limit` at a time.
local function spawn_each(scope, list, limit, job)
  if not limit or limit >= #list then return own.spawn_each(list, job, scope, true) end
  local begun = 0
  local function worker()
    while begun < #list do
      begun = begun + 1
      job(list[begun], begun)
    end
  end
  for _ = 1, limit do scope:spawn(worker) end
end

-- Keeps the first result; a failure as kio tells it is kept aside, so that its message is not lost.
local function keep(results, i, first, message, code)
  results.values[i] = first
  if first ~= nil or message == nil then return end
  results.failed = results.failed or {}
  results.failed[i] = { message = message, code = code }
end

-- The first results of f(entry) for every entry of the list, or else of the entries, as a list; and
-- the failures, when there are any.
local function collect(list, f, limit)
  if not limit or limit >= #list then return own.gather(list, f) end
  local results = { values = { n = #list } }
  core.scope(function(scope)
    spawn_each(scope, list, limit, function(entry, i)
      if f then keep(results, i, f(entry)) else keep(results, i, entry()) end
    end)
  end)
  return results.values, results.failed
end

---What a function returned that told a failure as kio does: nil, message, code.
---@class kio.Failure
---@field message any
---@field code any

---@class kio.AllOptions
---@field limit? integer how many run at a time; nil: all

local LIMIT = { limit = "number" }

---Runs functions at the same time and returns when all have ended.
---@async
---@param list (async fun(): ...)[]
---@param options? kio.AllOptions
---@return { n: integer, [integer]: any } values the first result of each, in the order of the list
---@return table<integer, kio.Failure>? failed those that returned nil and a message; nil: none did
function group.all(list, options, ...)
  local functions = options == nil and select("#", ...) == 0 and own.copy_functions(list)
  if functions then return own.gather(functions) end
  list = check.copy_list(list)
  local wrong = wrong_list(list)
  if wrong then check.refuse(1, "all", wrong) end
  options = check.options(options, 2, "all", LIMIT, ...)
  wrong = wrong_limit(options)
  if wrong then check.refuse(2, "all", wrong) end
  return collect(list, nil, options and options.limit)
end

---Calls f(value) for every value of a list, at the same time.
---@async
---@param list any[]
---@param f async fun(value: any): ...
---@param options? kio.AllOptions
---@return { n: integer, [integer]: any } values the first result of each call, in order
---@return table<integer, kio.Failure>? failed those that returned nil and a message; nil: none did
function group.map(list, f, options, ...)
  list = check.copy_list(list)
  check.type(list, "table", 1, "map", "a list")
  check.type(f, "function", 2, "map")
  options = check.options(options, 3, "map", LIMIT, ...)
  local wrong = wrong_limit(options)
  if wrong then check.refuse(3, "map", wrong) end
  return collect(list, f, options and options.limit)
end

-- ---- the first ----

-- What came and nobody takes goes to on_loser, also in a task that is cancelled.
local function give_away(items, on_loser)
  if not on_loser or #items == 0 then return end
  core.shield(function()
    for _, item in ipairs(items) do on_loser(item.index, unpack(item, 1, item.n)) end
  end)
end

-- The results of a call, with the index of its function.
local function item_of(i, ...)
  local item = pack(...)
  item.index = i
  return item
end

---@class kio.RaceOptions
---@field on_loser? async fun(index: integer, ...: any) gets what others returned although they had
---been cancelled, and all that was returned when the race ends in an error. Runs shielded

local RACE = { on_loser = "function" }

local Race = {
  __close = function(race)
    table.insert(race.losers, race.winner)
    give_away(race.losers, race.on_loser)
  end,
}

---Runs functions at the same time until the first of them returns, cancels the others and waits for
---them.
---@async
---@param list (async fun(): ...)[] at least one
---@param options? kio.RaceOptions
---@return any ... the results of the first
function group.race(list, options, ...)
  list = check.copy_list(list)
  local wrong = wrong_list(list) or #list == 0 and "nothing to race" or nil
  if wrong then check.refuse(1, "race", wrong) end
  options = check.options(options, 2, "race", RACE, ...)
  local race <close> = setmetatable({ losers = {}, on_loser = options and options.on_loser }, Race)
  core.scope(function(scope)
    spawn_each(scope, list, nil, function(entry, i)
      local item = item_of(i, entry())
      if race.winner then
        table.insert(race.losers, item)
      else
        race.winner = item
        scope:cancel()
      end
    end)
  end)
  local winner = race.winner
  race.winner = nil
  return unpack(winner, 1, winner.n)
end

-- ---- one after the other, as they end ----

-- The iteration's own task: it owns the scope, so that the loop's body is not inside it.
local function hold(loop)
  core.scope(function(scope)
    spawn_each(scope, loop.list, loop.limit, function(entry, i)
      local item
      if type(entry) == "function" then item = item_of(i, entry())
      else item = item_of(i, entry:await()) end
      loop.last = loop.last + 1
      loop.items[loop.last] = item
      loop.arrived:wake()
    end)
  end)
end

local function ended(task)
  local status = task:status()
  return status ~= "ready" and status ~= "waiting"
end

-- What failed is told by the loop, or by its end: it must not fail the loop's own scope.
local function told_by_loop() end

local function next_item(loop)
  if not loop.holder then loop.holder = core.spawn { hold, loop, on_error = told_by_loop } end
  while loop.first > loop.last do
    if ended(loop.holder) then
      loop.told = true
      loop.holder:await()
      return nil
    end
    own.wait_any { loop.arrived, loop.holder }
  end
  local item = loop.items[loop.first]
  loop.items[loop.first] = nil
  loop.first = loop.first + 1
  return item.index, unpack(item, 1, item.n)
end

local function close_loop(loop, err)
  local holder = loop.holder
  if not holder or loop.told then return end
  holder:cancel()
  core.shield(holder.join, holder)
  give_away(table.move(loop.items, loop.first, loop.last, 1, {}), loop.on_loser)
  if holder:status() ~= "failed" then return end
  if err == nil or core.is_cancelled(err) then own.task_result(holder) end -- raises
  own.attach_failure(err, holder)
end

local Loop = { __close = close_loop }

---@class kio.AsCompletedOptions: kio.AllOptions
---@field on_loser? async fun(index: integer, ...: any) gets the results that had come, or came in
---spite of the cancellation, when the loop was left early. Runs shielded

local AS_COMPLETED = { limit = "number", on_loser = "function" }

---For a generic `for`: index and results of each function, or task, in the order in which they end.
---They start with the loop. When the loop is left early, the functions that have not ended are
---cancelled and waited for; tasks go on.
---@async
---@param list ((async fun(): ...)|kio.Task)[]
---@param options? kio.AsCompletedOptions
---@return async fun(loop: table): integer?, ...
---@return table loop
---@return nil
---@return table closing
function group.as_completed(list, options, ...)
  local Task = getmetatable(own.checkpoint())
  local function is_task(entry) return type(entry) == "userdata" and getmetatable(entry) == Task end
  list = check.copy_list(list)
  local wrong = wrong_list(list, is_task, "function or task")
  if wrong then check.refuse(1, "as_completed", wrong) end
  options = check.options(options, 2, "as_completed", AS_COMPLETED, ...)
  wrong = wrong_limit(options)
  if wrong then check.refuse(2, "as_completed", wrong) end
  options = options or {}
  local loop = setmetatable({
    list = list, limit = options.limit, on_loser = options.on_loser,
    items = {}, first = 1, last = 0, arrived = own.queue "event",
  }, Loop)
  return next_item, loop, nil, loop
end

return group
