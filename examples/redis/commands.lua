-- What the server of ../redis_server.lua knows: its commands, as functions of their arguments.
local strings, lists = {}, {}

local commands = {}

function commands.PING(text) return text or { ok = "PONG" } end
function commands.ECHO(text) return text end
function commands.CONFIG(_, name) return { name, "" } end -- redis-benchmark asks
function commands.COMMAND() return {} end -- and redis-cli

function commands.GET(key) return strings[key] end
function commands.EXISTS(key) return (strings[key] or lists[key]) and 1 or 0 end

function commands.SET(key, text)
  strings[key] = text
  return { ok = "OK" }
end

function commands.MSET(...)
  local list = { ... }
  for i = 1, #list, 2 do strings[list[i]] = list[i + 1] end
  return { ok = "OK" }
end

function commands.DEL(key)
  local existed = commands.EXISTS(key)
  strings[key], lists[key] = nil, nil
  return existed
end

function commands.INCR(key)
  local n = math.tointeger(tonumber(strings[key] or 0))
  if not n then return { err = "ERR value is not an integer" } end
  strings[key] = tostring(n + 1)
  return n + 1
end

-- A list's head is at its end, where pushing is cheap.
function commands.LPUSH(key, ...)
  local list = lists[key] or {}
  lists[key] = list
  for _, text in ipairs { ... } do list[#list + 1] = text end
  return #list
end

function commands.LPOP(key) return table.remove(lists[key] or {}) end

function commands.LRANGE(key, first, last)
  local list, found = lists[key] or {}, {}
  first, last = tonumber(first), tonumber(last)
  if last < 0 then last = last + #list end
  for i = first, math.min(last, #list - 1) do found[#found + 1] = list[#list - i] end
  return found
end

return commands
