---Being told of changes to a file or a directory: inotify(7), as events with names.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local core = require "kio.core"

local own = core.own

local unpack = string.unpack

---@alias kio.WatchKind
---| "create" | "delete" | "modify" | "written" | "attributes" | "rename" | "move_in" | "move_out"
---| "gone" | "moved" | "unmounted" | "overflow"

---@class kio.WatchEvent
---@field kind kio.WatchKind
---@field path string what has changed; what is watched itself, or something in that directory
---@field name? string its name in the directory that is watched
---@field from? string of "rename": the name it had
---@field directory boolean whether it is a directory

---@class kio.Watch
---@field path string
local Watch = { __name = "kio.Watch" }
Watch.__index = Watch

-- The bits of inotify_event.mask, see linux/inotify.h.
local MOVED_FROM, MOVED_TO, IGNORED, ISDIR = 0x40, 0x80, 0x8000, 0x40000000
local EXCL_UNLINK = 0x04000000 -- not of files in there that have no name any more

local kinds = {
  { 0x2, "modify" }, { 0x4, "attributes" }, { 0x8, "written" }, { MOVED_FROM, "move_out" },
  { MOVED_TO, "move_in" }, { 0x100, "create" }, { 0x200, "delete" }, { 0x400, "gone" },
  { 0x800, "moved" }, { 0x2000, "unmounted" }, { 0x4000, "overflow" },
}

local ALL = EXCL_UNLINK
for _, kind in ipairs(kinds) do
  if kind[1] < 0x2000 then ALL = ALL | kind[1] end
end

local SIZE = 1 << 16     -- of one read
local PARTNER = 0.01     -- seconds that the second half of a rename may take

-- ---- from bytes to events ----

local function kind_of(mask)
  for _, kind in ipairs(kinds) do
    if mask & kind[1] ~= 0 then return kind[2] end
  end
end

-- Takes the records in `data` to the list of raw events.
local function decode(data, list)
  local at = 1
  while at <= #data do
    local _, mask, cookie, size, next = unpack("=i4I4I4I4", data, at)
    local name = size > 0 and unpack("z", data, next) or nil
    list[#list + 1] = { mask = mask, cookie = cookie, name = name }
    at = next + size
  end
end

local function event_of(self, raw)
  return {
    kind = kind_of(raw.mask),
    name = raw.name,
    path = raw.name and self.path .. "/" .. raw.name or self.path,
    directory = raw.mask & ISDIR ~= 0,
  }
end

-- Takes the event that the other half of this rename is out of the list.
local function take_partner(list, cookie)
  for i = 1, #list do
    if list[i].mask & MOVED_TO ~= 0 and list[i].cookie == cookie then
      return table.remove(list, i)
    end
  end
end

-- ---- reading ----

-- Whether somebody has closed its descriptor by the number.
local function is_lost(self) return self.fd and not own.fd_of_name(self.held) end

local function fail(self, message, code)
  if not self.fd then message, code = "the watch is closed", "EBADF"
  elseif is_lost(self) then message, code = "it was closed by its number", "EBADF"
  else message = string.match(message, "^[^:]*: (.*)$") or message end
  return nil, string.format("watch %s: %s", self.path, message), code
end

-- Waits until there is something to read, and reads all of it.
local function fetch(self, timeout)
  local ready, message, code = core.poll(self.held, "r", { timeout = timeout })
  if not ready then return nil, message, code end
  local data
  data, message, code = core.read(self.held, SIZE)
  if data then decode(data, self.list) end
  return data, message, code
end

-- The other half of a rename comes right behind the first; it may be in the next read. The first
-- stays in the list meanwhile: who is cancelled here has taken nothing.
local function partner_of(self, raw)
  local partner = take_partner(self.list, raw.cookie)
  if partner or #self.list > 1 then return partner end
  fetch(self, PARTNER)
  return take_partner(self.list, raw.cookie)
end

local Busy = { __close = function(busy) busy.watch.busy = false end }

-- Until there is an event: what comes may hold none, and a wait that was in vain is repeated only
-- within the time that is left.
local function fetch_event(self, timeout)
  local due = timeout and core.now() + timeout
  repeat
    if self.ended then return nil end
    local left = due and math.max(0, due - core.now())
    local data, message, code = fetch(self, left)
    if not data and code ~= "EAGAIN" then return fail(self, message, code) end
    if not self.list[1] and left == 0 then return fail(self, "poll: timed out", "ETIMEDOUT") end
  until self.list[1]
  return true
end

local function take(self, timeout)
  if not self.list[1] then
    local got, message, code = fetch_event(self, timeout)
    if message then return nil, message, code end
    if not got then return nil end
  end
  local raw = self.list[1]
  local partner = raw.mask & MOVED_FROM ~= 0 and partner_of(self, raw)
  table.remove(self.list, 1)
  if raw.mask & IGNORED ~= 0 then
    self.ended = true
    return nil
  end
  local event = event_of(self, raw)
  if partner then
    event.kind, event.from = "rename", raw.name
    event.name, event.path = partner.name, self.path .. "/" .. partner.name
  end
  return event
end

local TIMEOUT = { timeout = "number" }

local function check_self(self, name)
  if getmetatable(self) ~= Watch then check.bad_self(self, "kio.Watch", name) end
end

---The next change, in the order they happened; nil without a message when what was watched is gone
---for good. For one task at a time.
---@async
---@param options? kio.Options
---@return kio.WatchEvent? event, string? message, string? code
function Watch:next(options, ...)
  check_self(self, "next")
  options = check.options(options, 1, "next", TIMEOUT, ...)
  own.at_once()
  if not self.fd then return fail(self) end
  if self.busy then own.raise "another task is waiting for this watch" end
  self.busy = true
  local _ <close> = setmetatable({ watch = self }, Busy)
  return take(self, options and options.timeout)
end

---Iterates over the changes until the watch is closed or what was watched is gone; raises on an
---error.
---@return async fun(): kio.WatchEvent?
function Watch:events(...)
  check_self(self, "events")
  check.no_more(0, "events", ...)
  return function()
    local event, message, code = self:next()
    if message and self.fd then own.raise(message, code) end
    return event
  end
end

---Closes; a task that waits for it gets "EBADF". A second close does nothing.
---@async
---@return true? done, string? message, string? code
function Watch:close(...)
  check_self(self, "close")
  check.no_more(0, "close", ...)
  local open = self.fd
  self.fd = false
  if not open then
    own.done_at_once()
    return true
  end
  local ran, done = pcall(core.close, self.held)
  if not ran or not done then own.close_now(self.held) end
  return true
end

function Watch:__close()
  check_self(self, "__close")
  self:close()
end

function Watch:__gc()
  if not own.finalizes() then return end -- by hand: it may be in use
  if self.fd then own.close_now(self.held) end
  self.fd = false
end

function Watch:__tostring()
  check_self(self, "__tostring")
  local open = self.fd and string.format("fd %d, open", self.fd) or "closed"
  local state = is_lost(self) and "closed by number" or open
  return string.format("kio.Watch (%s, path %s)", state, own.escape(self.path))
end

---Watches a file, or a directory and the names in it, but not what is in directories below. From
---then on every change is told; links are followed.
---@param path string
---@return kio.Watch? watch, string? message, string? code
local function watch(path, ...)
  check.no_more(1, "watch", ...)
  check.path(path, 1, "watch")
  local self = { path = path, fd = false, held = false, list = {}, busy = false, ended = false }
  setmetatable(self, Watch)
  local fd, message, code = own.inotify(path, ALL)
  if not fd then return nil, message, code end
  self.fd, self.held = fd, own.name_fd(fd)
  return self
end

return watch
