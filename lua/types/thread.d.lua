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

---@class kio.BlockingJob
---@field [1] fun(...): ...
---@field [integer] any its arguments
---@field name? string for reports (where the function is defined)
---@field wait? boolean wait for a place when the queue is full, instead of failing (false)

---Runs f on a thread of the pool (`blocking_threads`, `blocking_queue` of kio.run), in a state
---of that thread's own, where operations are not possible: for what blocks, or computes for long.
---Cancelled, a job that has not begun never will; one that runs is left to end alone, its result
---dropped, its task ends at once. The run waits for it within shutdown_timeout and names it when
---it is late. Suspends only with `wait`.
---@async
---@param f (fun(...): ...)|kio.BlockingJob
---@param ... any
---@return kio.Task|nil task its results are f's; its error f's, with both tracebacks
---@return string? message
---@return string? code "EAGAIN" when the queue is full
function kio.spawn_blocking(f, ...) end

---Workers for programs that kio.run does not run: used from plain Lua by the thread that made them,
---which is none of them. Closes itself as a to-be-closed variable.
---@class kio.Runtime: userdata
local Runtime = {}

---Starts workers. Options: those of kio.run that concern workers, rings and the pool.
---@param options? kio.RunOptions
---@return kio.Runtime|nil runtime
---@return string? message
---@return string? code
function kio.runtime(options) end

---Runs f in a task of whichever worker is idle first and waits for it; the calling thread sleeps
---meanwhile. Raises f's error. Not possible within kio.run, whose loop it would hold up. Blocks.
---@param f fun(...): ...
---@param ... any
---@return any ... f's results
function Runtime:block_on(f, ...) end

---Cancels what runs, and ends the workers and the pool. Stopping twice is stopping once. Blocks.
---@param options? { timeout: number? } seconds it may take (shutdown_timeout)
---@return boolean|nil done
---@return string? message which names what is left and left alone
---@return string? code
function Runtime:stop(options) end

---@return boolean running false once it has been stopped
function Runtime:running() end

---@return integer workers
function Runtime:size() end

---Asks the whole run to end, from any of its workers: the main task is cancelled and with it all
---others, and kio.run returns nil, message, "ECANCELED" unless main returns something all the same.
---Asking twice is asking once.
function kio.stop() end

return kio
