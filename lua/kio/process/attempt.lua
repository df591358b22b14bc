---Starting a program whose file was being written a moment ago.
local _ENV = require "kio.core".globals
local core = require "kio.core"

local PAUSES = 9 -- each twice as long as the one before: half a second together
local FIRST = 0.001

-- io_uring holds a file for as long as its own thread (an io-wq worker, the one of SQPOLL) has not
-- dropped its reference, which may be after the operation, and even after the close, was told to be
-- done; the last step is taken in a turn of this loop. Until then exec(2) fails with ETXTBSY, as it
-- does while anybody has the file open for writing. So the loop turns, and it is tried again. Who
-- cannot wait here (outside of a task, in one that is cancelled) is told at once.

---core.process_spawn, which is patient about ETXTBSY.
return function(...)
  local results = table.pack(core.process_spawn(...))
  for try = 0, PAUSES - 1 do
    if results[1] or results[3] ~= "ETXTBSY" then break end
    if not pcall(core.sleep, FIRST * 2 ^ try) then break end
    results = table.pack(core.process_spawn(...))
  end
  return table.unpack(results, 1, results.n)
end
