---Argument checks of the sync rooms, and how their failures are told. A check raises at the caller
---of the public function that has called it, so every check is called directly by that function.
local _ENV = require "kio.core".globals
local core = require "kio.core"
local kind = require "kio.check".kind

local check = {}

local CALLER = 4 -- of the public function, seen from these two

local function refuse(text)
  error(text, CALLER)
end

local function refuse_argument(index, name, text)
  error(string.format("bad argument #%d to '%s' (%s)", index, name, text), CALLER)
end

---Misuse that is no matter of types.
function check.refuse(text)
  refuse(text)
end

-- Whether the public function is what a loop is over: it is given the control variable then.
local function is_iterator() return debug.getinfo(3, "n").namewhat == "for iterator" end

---That nothing but nils was given behind the last argument a function takes, its `count`-th.
function check.no_more(count, name, ...)
  for i = 1, select("#", ...) do
    if (select(i, ...)) ~= nil and not is_iterator() then
      refuse_argument(count + i, name, "too many arguments")
    end
  end
end

---A method called on something that is none of its class.
function check.bad_self(value, class, name)
  refuse(string.format("calling '%s' on bad self (%s expected, got %s)",
    name, class.__name, kind(value, class.__name)))
end

-- What is wrong with a number of seconds; nil: nothing.
local function trouble(value)
  if type(value) ~= "number" then return "a timeout in seconds expected, got " .. type(value) end
  if value < 0 or value ~= value then return "a timeout cannot be negative or NaN" end
end

---A number of seconds of 0 or more, or nil. Returns it.
function check.seconds(value, index, name)
  local wrong = value ~= nil and trouble(value)
  if wrong then refuse_argument(index, name, wrong) end
  return value
end

-- The field `timeout` of a table of options that has no other.
local function option(options)
  for key in next, options do
    if key ~= "timeout" then return nil, string.format("unknown option '%s'", core.text_of(key)) end
  end
  return rawget(options, "timeout")
end

---The same as it stands, or as the field `timeout` of a table of options.
function check.timeout(value, index, name)
  local wrong
  if type(value) == "table" then value, wrong = option(value) end
  wrong = wrong or value ~= nil and trouble(value)
  if wrong then refuse_argument(index, name, wrong) end
  return value
end

---An integer of 0 or more; `what` says what it counts.
function check.count(value, index, name, what)
  local n = type(value) == "number" and math.tointeger(value)
  if not n then
    local text = core.text_of(value)
    refuse_argument(index, name, string.format("%s (an integer) expected, got %s", what, text))
  elseif n < 0 then
    refuse_argument(index, name, what .. " cannot be negative")
  end
  return n
end

---What a wait returns when its time is over.
function check.late(what)
  return nil, what .. ": timed out", "ETIMEDOUT"
end

---What a try returns that would have had to wait.
function check.busy(what, why)
  return nil, string.format("%s: %s", what, why), "EAGAIN"
end

return check
