-- What kio.sync should do, in plain Lua without coroutines: lists of waiters, and a list of what
-- runs next. Each worker does one operation at a time; `log` tells in order how they ended.
local Model = {}
Model.__index = Model

local function new_channel(capacity)
  return { capacity = capacity, items = {}, senders = {}, receivers = {} }
end

function Model.new()
  return setmetatable({
    ready = {}, log = {}, now = 0, waiting = {}, -- what each worker waits for
    mutex = { queue = {} },
    condition = {},
    semaphore = { free = 2, queue = {} },
    event = { queue = {} },
    group = { count = 0, queue = {} },
    narrow = new_channel(0), wide = new_channel(2),
  }, Model)
end

-- ---- waiting and waking ----

local function remove(list, entry)
  for i = #list, 1, -1 do
    if list[i].wait == entry then table.remove(list, i) end
  end
end

local function leave(wait)
  for _, queue in ipairs(wait.queues) do remove(queue, wait) end
end

function Model:later(f, ...)
  self.ready[#self.ready + 1] = table.pack(f, ...)
end

-- `resume(why, given, index)` runs when the wait has ended: "done", "timeout" or "cancel".
function Model:park(worker, command, queues, resume, cells)
  local wait = { worker = worker, queues = queues, resume = resume, due = command.due }
  self.waiting[worker] = wait
  for i, queue in ipairs(queues) do
    queue[#queue + 1] = { wait = wait, index = i, cell = cells and cells[i] }
  end
end

function Model:stop(wait, why, given, index)
  leave(wait)
  self.waiting[wait.worker] = nil
  self:later(wait.resume, why, given, index)
end

-- Wakes the first of a queue; its worker and the cell.
function Model:wake(queue, given)
  local first = queue[1]
  if not first then return nil end
  self:stop(first.wait, "done", given, first.index)
  return first.wait.worker, first.cell
end

function Model:finish(worker, outcome)
  self.log[#self.log + 1] = worker .. " " .. tostring(outcome)
end

local ended = { timeout = "ETIMEDOUT", cancel = "ECANCELED" }

-- Waits in one queue; `outcome(given)` names a success.
function Model:wait(worker, command, queue, outcome, cell)
  self:park(worker, command, { queue }, function(why, given)
    self:finish(worker, ended[why] or outcome(given))
  end, { cell })
end

local function ok() return "ok" end

-- ---- the operations of workers ----

local run = {}
Model.run = run

function run:lock(worker, command)
  if not self.mutex.owner then
    self.mutex.owner = worker
    return self:finish(worker, "ok")
  end
  self:wait(worker, command, self.mutex.queue, ok)
end

local function unlock(self)
  self.mutex.owner = self:wake(self.mutex.queue)
end

function run:unlock(worker)
  unlock(self)
  self:finish(worker, "ok")
end

function run:condition_wait(worker, command)
  unlock(self)
  self:park(worker, command, { self.condition }, function(why)
    local outcome = ended[why] or "ok"
    if not self.mutex.owner then
      self.mutex.owner = worker
      return self:finish(worker, outcome)
    end
    self:park(worker, {}, { self.mutex.queue }, function() self:finish(worker, outcome) end)
    self.waiting[worker].shielded = true
  end)
end

function run:acquire(worker, command)
  local semaphore = self.semaphore
  if semaphore.free > 0 then
    semaphore.free = semaphore.free - 1
    return self:finish(worker, "ok")
  end
  self:wait(worker, command, semaphore.queue, ok)
end

function run:event_wait(worker, command)
  if self.event.set then return self:finish(worker, "ok") end
  self:wait(worker, command, self.event.queue, ok)
end

function run:group_wait(worker, command)
  if self.group.count == 0 then return self:finish(worker, "ok") end
  self:wait(worker, command, self.group.queue, ok)
end

function Model:put(channel, value)
  if self:wake(channel.receivers, value) then return true end
  if #channel.items == channel.capacity then return false end
  table.insert(channel.items, value)
  return true
end

function Model:take(channel)
  if #channel.items == 0 then return select(2, self:wake(channel.senders, true)) end
  local value = table.remove(channel.items, 1)
  local sender, waiting = self:wake(channel.senders, true)
  if sender then table.insert(channel.items, waiting) end
  return value
end

local function sent(given) return given and "ok" or "closed" end

function run:send(worker, command)
  local channel = self[command.channel]
  if self:put(channel, command.value) then return self:finish(worker, "ok") end
  self:wait(worker, command, channel.senders, sent, command.value)
end

function run:receive(worker, command)
  local channel = self[command.channel]
  local value = self:take(channel)
  if value ~= nil then return self:finish(worker, value) end
  self:wait(worker, command, channel.receivers, tostring)
end

-- Receives from one channel, sends to the other, waits for the event: which of those that are ready
-- is taken is the implementation's choice, so `hint`, what it did, is only checked.
function run:select(worker, command, hint)
  local from, to, event = self.narrow, self.wide, self.event
  local ready = { #from.senders > 0, #to.receivers > 0 or #to.items < to.capacity, event.set }
  local i = hint and tonumber(hint:match("^%d+ (%d)"))
  if not (ready[1] or ready[2] or ready[3]) then
    return self:park(worker, command, { from.receivers, to.senders, event.queue },
      function(why, given, index)
        local outcome = index == 1 and tostring(given) or index == 2 and sent(given) or "ok"
        self:finish(worker, ended[why] or outcome == "closed" and outcome or index .. outcome)
      end, { nil, command.value })
  elseif not (i and ready[i]) then
    return self:finish(worker, "one that is ready")
  end
  local outcome = i == 1 and self:take(from) or "ok"
  if i == 2 then self:put(to, command.value) end
  self:finish(worker, i .. tostring(outcome))
end

-- ---- what the driver does itself ----

function Model:notify() self:wake(self.condition) end

function Model:notify_all() while self:wake(self.condition) do end end

function Model:release()
  local semaphore = self.semaphore
  if not self:wake(semaphore.queue) then semaphore.free = semaphore.free + 1 end
end

function Model:set_event(on)
  self.event.set = on
  while on and self:wake(self.event.queue) do end
end

function Model:add(n)
  local group = self.group
  group.count = group.count + n
  while group.count == 0 and self:wake(group.queue) do end
end

function Model:close(name)
  local channel = self[name]
  while self:wake(channel.senders, false) or self:wake(channel.receivers, nil) do end
  self[name] = new_channel(channel.capacity)
end

function Model:cancel(worker)
  local wait = self.waiting[worker]
  if wait and not wait.shielded then self:stop(wait, "cancel") end
end

-- ---- time ----

-- Runs what is ready.
function Model:settle()
  while #self.ready > 0 do
    local entry = table.remove(self.ready, 1)
    entry[1](table.unpack(entry, 2, entry.n))
  end
end

-- A worker's operation, when its turn comes; `hints` is the log of what really happened.
function Model:start(worker, command, hints)
  self:later(function() run[command.op](self, worker, command, hints[#self.log + 1]) end)
end

local function next_due(self, limit)
  local first
  for _, wait in pairs(self.waiting) do
    if wait.due and wait.due <= limit and (not first or wait.due < first.due) then first = wait end
  end
  return first
end

function Model:sleep(seconds)
  self.now = self.now + seconds
  local wait = next_due(self, self.now)
  while wait do
    self:stop(wait, "timeout")
    self:settle()
    wait = next_due(self, self.now)
  end
end

return Model
