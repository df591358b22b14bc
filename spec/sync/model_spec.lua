-- timeout: 120
-- ThreadSanitizer keeps something for every longjmp out of a function of ours, and bursts:
-- flavours: test asan hostile
-- kio.sync against a plain model of it: workers do random operations, with timeouts and cancels.
-- What each comes to, and in which order, must be what the model says. KIO_MODEL_SEED=n runs one.
local Model = require "spec.sync.model"
local common = require "spec.sync.common"
local kio = require "kio"
local support = require "spec.support"

local sync = kio.sync
local WORKERS, STEPS = 8, 60
local SEEDS = support.scale { full = 1000, test = 240, rest = 60 }

-- ---- the real thing ----

local Real = {}
Real.__index = Real

function Real.new()
  local real = setmetatable({
    log = {}, scopes = {}, mailboxes = {},
    mutex = sync.mutex(), condition = sync.condition(), semaphore = sync.semaphore(2),
    event = sync.event(), group = sync.waitgroup(),
    narrow = sync.channel(0), wide = sync.channel(2),
  }, Real)
  for worker = 1, WORKERS do
    real.mailboxes[worker] = kio.core.own.queue "event"
    kio.spawn(real.work, real, worker)
  end
  common.settle()
  return real
end

local perform = {
  lock = function(self, timeout) return self.mutex:lock(timeout) end,
  unlock = function(self) self.mutex:unlock() return true end,
  condition_wait = function(self, timeout) return self.condition:wait(self.mutex, timeout) end,
  acquire = function(self, timeout) return self.semaphore:acquire(timeout) end,
  event_wait = function(self, timeout) return self.event:wait(timeout) end,
  group_wait = function(self, timeout) return self.group:wait(timeout) end,
  send = function(self, timeout, command)
    return self[command.channel]:send(command.value, timeout)
  end,
  receive = function(self, timeout, command) return self[command.channel]:receive(timeout) end,
  select = function(self, timeout, command)
    return kio.select { self.narrow, { self.wide, command.value }, self.event, timeout = timeout }
  end,
}

-- What an operation came to, in the words of the model.
local function outcome(op, ok, value, message, code)
  if not ok then
    if kio.is_cancelled(value) then error(value, 0) end
    return value:match "closed" or value
  elseif code then return code
  elseif op == "receive" then return tostring(value)
  elseif op == "select" then return value .. (value == 1 and tostring(message) or "ok")
  else return value and "ok" or "nil" end
end

function Real:work(worker)
  local _, command = self.mailboxes[worker]:wait()
  while command do
    local result, _, code = kio.scope(function(scope)
      self.scopes[worker] = scope
      local op = command.op
      return outcome(op, pcall(perform[op], self, command.timeout, command))
    end)
    self.scopes[worker] = nil
    self.log[#self.log + 1] = worker .. " " .. (result or code)
    _, command = self.mailboxes[worker]:wait()
  end
end

-- ---- the driver ----

local Driver = {}
Driver.__index = Driver

local function chance(n) return math.random(n) == 1 end

function Driver.new()
  return setmetatable({ real = Real.new(), model = Model.new(), busy = {}, values = 0, trace = {} },
    Driver)
end

function Driver:note(...) self.trace[#self.trace + 1] = table.concat({ ... }, " ") end

function Driver:new_value()
  self.values = self.values + 1
  return "v" .. self.values
end

local FREE_OPS = {
  "lock", "lock", "acquire", "event_wait", "group_wait", "send", "send", "receive", "receive",
  "select", "select",
}
local OWNER_OPS = { "unlock", "unlock", "condition_wait", "condition_wait", "send", "receive" }

-- Gives an idle worker something to do.
function Driver:command(worker, op)
  local owner = self.model.mutex.owner == worker
  local ops = owner and OWNER_OPS or FREE_OPS
  local command = { op = op or ops[math.random(#ops)] }
  command.channel = chance(2) and "narrow" or "wide"
  command.value = self:new_value()
  if chance(2) then
    -- Never two due at once: the simulated clock creeps, by less than a twentieth of a second.
    command.timeout = math.random(0, 6) + 0.5 + worker * 0.05
    command.due = self.model.now + command.timeout
  end
  self:note(worker, command.op, command.channel, command.value, tostring(command.timeout))
  self.busy[worker] = true
  self.model:start(worker, command, self.real.log)
  assert(self.real.mailboxes[worker]:wake(command))
end

function Driver:cancel(worker)
  if not self.model.waiting[worker] then return end
  self:note("cancel", worker)
  self.real.scopes[worker]:cancel()
  self.model:cancel(worker)
end

-- What the driver does itself, in no task's name but its own: both ways at once.
local direct = {
  function(real, model) real.condition:notify() model:notify() end,
  function(real, model) real.condition:notify_all() model:notify_all() end,
  function(real, model) real.event:set() model:set_event(true) end,
  function(real, model) real.event:reset() model:set_event(false) end,
  function(real, model)
    if model.semaphore.free > 2 then return end
    real.semaphore:release()
    model:release()
  end,
  function(real, model)
    if model.semaphore.free == 0 then return end
    assert(real.semaphore:try_acquire())
    model.semaphore.free = model.semaphore.free - 1
  end,
  function(real, model) real.group:add(2) model:add(2) end,
  function(real, model)
    if model.group.count == 0 then return end
    real.group:done()
    model:add(-1)
  end,
  function(real, model, value)
    local name = chance(2) and "narrow" or "wide"
    assert.equal(model:put(model[name], value), real[name]:try_send(value) == true)
  end,
  function(real, model)
    local name = chance(2) and "narrow" or "wide"
    assert.equal(model:take(model[name]), (real[name]:try_receive()))
  end,
  function(real, model)
    if not chance(4) then return end
    local name = chance(2) and "narrow" or "wide"
    real[name]:close()
    real[name] = sync.channel(real[name].capacity)
    model:close(name)
  end,
}

-- Several things at once: nobody else runs between them.
function Driver:burst()
  for _ = 1, math.random(5) do
    local worker = math.random(WORKERS)
    if chance(4) then
      self:cancel(worker)
    elseif chance(3) then
      local i = math.random(#direct)
      self:note("direct", i)
      direct[i](self.real, self.model, self:new_value())
    elseif not self.busy[worker] then
      self:command(worker)
    end
  end
end

function Driver:compare()
  self.model:settle()
  assert.same(self.model.log, self.real.log)
  for _, log in ipairs { self.model.log, self.real.log } do
    for i = #log, 1, -1 do
      self.busy[tonumber(log[i]:match "^%d+")] = nil
      log[i] = nil
    end
  end
end

function Driver:step()
  self:burst()
  common.settle()
  self:compare()
  if chance(3) then
    local seconds = math.random(4)
    self:note("sleep", seconds)
    kio.sleep(seconds)
    common.settle()
    self.model:sleep(seconds)
    self:compare()
  end
end

-- Ends all that waits; then everything must be free.
function Driver:finish()
  for _ = 1, 2 do -- a worker may wait for the mutex of another
    for worker = 1, WORKERS do self:cancel(worker) end
    common.settle()
    self:compare()
    local owner = self.model.mutex.owner
    while owner and not self.busy[owner] do
      self:command(owner, "unlock")
      common.settle()
      self:compare()
      owner = self.model.mutex.owner
    end
  end
  local real = self.real
  assert.equal("kio.Mutex (free)", tostring(real.mutex))
  assert.equal("kio.Condition (0 waiting)", tostring(real.condition))
  assert.matches("%(%d free, 0 waiting", tostring(real.semaphore))
  assert.matches("set, 0 waiting", tostring(real.event))
  assert.matches("way, 0 waiting", tostring(real.group))
  assert.matches("0 sending, 0 receiving", tostring(real.narrow))
  assert.matches("0 sending, 0 receiving", tostring(real.wide))
  for worker = 1, WORKERS do real.mailboxes[worker]:wake() end
end

local function run_seed(seed)
  math.randomseed(seed)
  local driver
  local ok, err = pcall(common.sim, function()
    driver = Driver.new()
    for _ = 1, STEPS do driver:step() end
    driver:finish()
  end)
  if ok then return end
  local trace = table.concat(driver.trace, "\n")
  error(("KIO_MODEL_SEED=%d: %s\n%s"):format(seed, tostring(err), trace), 0)
end

describe("kio.sync", function()
  it("does what its model does", function()
    local only = tonumber(os.getenv "KIO_MODEL_SEED")
    for seed = only or 1, only or SEEDS do run_seed(seed) end
  end)
end)
