-- What the echo servers in Lua share: their arguments and the "ready" line. The contract they keep
-- is at the head of load.c.
local args = {}

-- `once` and `message=BYTES` as a table { once = boolean, message = integer or nil }.
function args.parse(list)
  local options = { once = false, message = nil }
  for _, word in ipairs(list) do
    local message = math.tointeger(tonumber(word:match "^message=(%d+)$"))
    if message then
      options.message = message
    elseif word == "once" then
      options.once = true
    else
      error("usage: [once] [message=BYTES], not " .. word, 0)
    end
  end
  return options
end

function args.say_ready(port)
  io.stdout:write("ready ", port, "\n")
  io.stdout:flush()
end

-- Calls `gone()` when the last of the connections counted by :opened() has been :closed().
function args.counter(once, gone)
  local open = 0
  local counter = {}
  function counter.opened() open = open + 1 end
  function counter.closed()
    open = open - 1
    if once and open == 0 then gone() end
  end
  return counter
end

return args
