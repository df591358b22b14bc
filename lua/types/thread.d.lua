---@meta kio.core.thread
-- Workers: the part of the C half behind kio.thread. The conventions are those at the head of
-- kio.d.lua. What crosses from one worker to another is copied; see docs/thread.md.

---@class kio.core
local kio = {}

---kio.thread.spawn: runs f on whichever worker is idle first. Raises at once when f or an argument
---cannot cross, naming its path ("arg 2.config.logger: userdata"). Results come back, an error with
---both tracebacks; cancelling the task cancels what runs there.
---@param f fun(...): ...
---@param ... any
---@return kio.Task task ends when f has ended there, with all it has spawned
function kio.thread_spawn(f, ...) end

---kio.thread.spawn_on: the same on worker i.
---@param i integer 1 to kio.thread.count()
---@param f fun(...): ...
---@param ... any
---@return kio.Task
function kio.thread_spawn_on(i, f, ...) end

---kio.thread.count: how many workers this run has: the option `threads` of kio.run.
---@return integer
function kio.thread_count() end

---kio.thread.id: the number of the worker that runs this; 1 is the one that called kio.run.
---@return integer
function kio.thread_id() end

---Asks the whole run to end, from any of its workers: the main task is cancelled and with it all
---others, and kio.run returns nil, message, "ECANCELED" unless main returns something all the same.
---Asking twice is asking once.
function kio.stop() end

return kio
