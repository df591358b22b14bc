---Functions that choose contexts by a client's hello: option `sni`. A context that crosses to
---another worker takes the mark of its function along, and that worker gets a copy of the function
---from where it was given, when a handshake asks for it. Invariant: `by_mark` has what `kept` has.
local _ENV = require "kio.core".globals
local core = require "kio.tls.loaded"
local kio_core = require "kio.core"

local own = kio_core.own

local chooser = {}

---@class kio.tls.Chosen
---@field f kio.tls.Chooser

---@type table<kio.tls.Context, kio.tls.Chosen>
local kept = setmetatable({}, { __mode = "k" })
---@type table<integer, kio.tls.Chosen>
local by_mark = setmetatable({}, { __mode = "v" })

---The worker that this is; 1 where there is none: the state that calls kio.run becomes that.
---@return integer
function chooser.worker()
  local inside, id = pcall(own.thread_id)
  return inside and id or 1
end

---The function of a context that has just been made, or replaced; nil: it has none.
---@param context kio.tls.Context
---@param f? kio.tls.Chooser
function chooser.keep(context, f)
  local mark = core.asks(context)
  kept[context] = f and { f = f } or nil
  if f then by_mark[mark] = kept[context] end
end

---Called by other workers.
---@param mark integer
---@return kio.tls.Chooser|nil
function chooser.at(mark)
  local chosen = by_mark[mark]
  return chosen and chosen.f
end

local function fetch(mark, worker)
  local f, _ = nil, nil
  if worker ~= own.thread_id() then _, f = own.thread_call(worker, chooser.at, mark) end
  local gone = string.format("the function 'sni' of this context is gone: worker %d, where it was "
    .. "given, has the context no more", worker)
  if not f then error(gone, 0) end
  local chosen = { f = f }
  by_mark[mark] = chosen
  return chosen
end

---The context's function, on any worker; nil: it has none.
---@async
---@param context kio.tls.Context
---@return kio.tls.Chooser|nil
function chooser.of(context)
  local mark, worker = core.asks(context)
  if not mark then return nil end
  local chosen = by_mark[mark] or fetch(mark, worker)
  kept[context] = chosen
  return chosen.f
end

---Why the context's function cannot be copied to other workers; nil: it can, or there is none.
---@async
---@param context kio.tls.Context
---@return string|nil
function chooser.stays(context)
  local f = chooser.of(context)
  local why = f and own.thread_copies(f)
  return why and string.gsub(why, "^handler 1", "the function 'sni' of its context", 1) or nil
end

return chooser
