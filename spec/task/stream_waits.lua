-- The waits of streams, added to those of waits.lua. `unix_name` gives a free address.
local assert = require "luassert"
local kio = require "kio"

return function(waits, unix_name)
  local LOTS = ("y"):rep(1 << 20)

  local function stream_pair()
    local listener <close> = assert(kio.net.listen(unix_name()))
    local near = assert(kio.net.connect(listener:address()))
    return near, (assert(listener:accept()))
  end

  waits["stream:recv"] = function()
    local near, far = stream_pair()
    return {
      begin = function(options) return near:recv(nil, options) end,
      satisfy = function() far:send("bytes") end,
      check = function(data) assert.equal("bytes", data) end,
      close = function()
        near:close()
        far:close()
      end,
      timed = true,
    }
  end

  -- Nobody reads: output piles up. (A TCP connection finds room again and again for a while.)
  local function for_output(begin, timed)
    return function()
      local near, far = stream_pair()
      return {
        begin = function(options) return begin(near, options) end,
        close = function()
          local reading = kio.spawn(function() while far:recv() do end end)
          near:close { timeout = 0 }
          reading:await()
          far:close()
        end,
        once = true,
        timed = timed,
      }
    end
  end

  -- Leaves the stream with output that cannot go.
  local function fill(stream)
    stream:set_timeout(0.005)
    repeat local result, _, _, taken = stream:write(LOTS) until not result and taken == 0
    stream:set_timeout(nil)
  end

  waits["stream:write"] = for_output(function(stream) return stream:write(LOTS) end)
  waits["stream:send"] = for_output(function(stream) return stream:send(LOTS) end)
  waits["stream:flush"] = for_output(function(stream, options)
    fill(stream)
    return stream:flush(options)
  end, true)
  waits["stream:shutdown"] = for_output(function(stream)
    fill(stream)
    return stream:shutdown("write")
  end)
end
