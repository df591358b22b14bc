---What becomes of a program's three descriptors, as the options stdin, stdout and stderr say.
local _ENV = require "kio.core".globals
local own = require "kio.core".own

local stdio = {}

local WORDS = { pipe = true, inherit = true, null = true }
local NAMES = { "stdin", "stdout", "stderr" }

-- "inherit" or "null" for a list of that word, which is no text where one may be meant.
local function word_in(value)
  local word = type(value) == "table" and getmetatable(value) == nil and rawget(value, 1)
  return word == "inherit" and word or word == "null" and word
end

-- Whether asking it for its descriptor may run the program's code.
local function is_foreign(value)
  if type(value) ~= "userdata" then return type(value) == "table" end
  local meta = debug.getmetatable(value)
  local name = type(meta) == "table" and rawget(meta, "__name")
  return type(name) ~= "string" or string.sub(name, 1, 4) ~= "kio."
end

-- The word, the descriptor's number, or a handle that the core asks for its own; nil: neither.
local function one(value, name)
  if value == nil then return "inherit" end
  if word_in(value) then return word_in(value) end
  if WORDS[value] or name == "stderr" and value == "stdout" then return value end
  local fd = value
  if type(value) == "userdata" or type(value) == "table" then
    local ok, number = pcall(function() return value:fd() end)
    fd = ok and number
  end
  if math.type(fd) ~= "integer" or fd < 0 or fd >= 1 << 20 then return nil end
  return is_foreign(value) and fd or value
end

---All three by their names; nil and the name of one that is wrong. Handles that are not kio's are
---asked first, and once: what their `fd` runs may close the others.
function stdio.of(options)
  local all = {}
  for _, foreign in ipairs { true, false } do
    for _, name in ipairs(NAMES) do
      local value = options[name]
      if is_foreign(value) == foreign then all[name] = one(value, name) end
    end
  end
  for _, name in ipairs(NAMES) do
    if not all[name] then return nil, name end
  end
  return all
end

-- ---- wiring ----

local NULL = -1

---The descriptors of a program that is about to be started. `<close>` closes what it has got then,
---and, unless it was `started`, the streams on the other ends.
local Wires = {}
Wires.__index = Wires

function Wires:__close()
  for i = 1, #NAMES do
    if self.ends[i] then own.close_now(self.ends[i]) end
    if self.streams[i] and not self.started then self.streams[i]:close { timeout = 0 } end
  end
end

local function given(value, slot, name)
  if value == "inherit" then return slot - 1 end
  if value == "null" then return NULL end
  local fd, _, code = own.process_give(value, name)
  return fd, code
end

function Wires:pipe(slot)
  local fd, stream, code = own.process_pipe(slot == 1)
  if not fd then return nil, code end
  self.ends[slot], self.streams[slot] = fd, stream
  return fd
end

---As stdio.of has told. Nil, the name of the one that has failed, and the errno's name. What is
---given comes first: a number that means nothing must not come to mean a pipe.
function Wires:connect(all)
  for _, piped in ipairs { false, true } do
    for slot, name in ipairs(NAMES) do
      local value, code = all[name], nil
      if (value == "pipe") == piped and value ~= "stdout" then
        if piped then self.fds[slot], code = self:pipe(slot)
        else self.fds[slot], code = given(value, slot, name) end
      end
      if code then return nil, name, code end
    end
  end
  if all.stderr == "stdout" then self.fds[3] = self.fds[2] end
  return true
end

function stdio.wires()
  return setmetatable({
    fds = { NULL, NULL, NULL }, ends = { false, false, false }, streams = { false, false, false },
    started = false,
  }, Wires)
end

return stdio
