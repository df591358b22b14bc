---@meta kio.core.thread
-- Workers: the part of the C half behind kio.thread. The conventions are those at the head of
-- kio.d.lua. What crosses from one worker to another is copied; see docs/thread.md.

---@class kio.Own
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

---kio.thread.each: runs f once on every worker, this one included. Nothing in f or its arguments
---may move, for it goes to all.
---@param f fun(...): ...
---@param ... any
---@return kio.Task[] tasks one for each worker, in their order
function kio.thread_each(f, ...) end

---Runs f on worker i and waits for it, as spawn_on and await do, without a task of its own here.
---@async
---@param i integer
---@param f fun(...): ...
---@param ... any
---@return true|nil ended nil when that worker has stopped before f had ended
---@return any ... f's results, or a message
function kio.thread_call(i, f, ...) end

---Whether f can be sent to several workers: it holds nothing that cannot cross, and nothing that
---moves.
---@param f function
---@return string? message why not, beginning with the path
function kio.thread_copies(f) end

---kio.thread.count: how many workers this run has: the option `threads` of kio.run.
---@return integer
function kio.thread_count() end

---kio.thread.id: the number of the worker that runs this; 1 is the one that called kio.run.
---@return integer
function kio.thread_id() end

---kio.thread.channel: a channel for the tasks of all workers; it crosses by reference, and what is
---sent through it crosses as the arguments of kio.thread.spawn do. May be made anywhere.
---@param capacity integer how many values it holds that nobody has received: 1 or more
---@return kio.ThreadChannel
function kio.thread_channel(capacity) end

---kio.thread.event: a flag for the tasks of all workers; it crosses by reference. May be made
---anywhere.
---@return kio.ThreadEvent
function kio.thread_event() end

---For kio.select: whether a send, or a receive, would come to something at once.
---@param channel kio.ThreadChannel
---@param sending boolean
---@return boolean
function kio.thread_channel_ready(channel, sending) end

---For kio.select: wakes who waits in it when the channel is ready. To be closed.
---@param channel kio.ThreadChannel
---@param sending boolean
---@return userdata? watch nil when it is ready now
function kio.thread_channel_watch(channel, sending) end

---The same when the event is set.
---@param event kio.ThreadEvent
---@return userdata? watch
function kio.thread_event_watch(event) end

---@class kio.Public
local kio = {}

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

---Values from tasks to tasks of any worker, in order; first come, first served. When no worker has
---it any more it is freed with what it holds.
---@class kio.ThreadChannel
local ThreadChannel = {}

---Leaves a copy of the value in the channel, or with a receiver; waits while there is no room.
---Handles in the value move with it; when it is not taken they are the sender's again. Raises when
---the value cannot cross, naming the path ("message 1.logger: userdata ...").
---@async
---@param value any but nil
---@param timeout? number|kio.Options seconds
---@return true|nil sent nil: nobody has the value, and nobody will
---@return string? message
---@return "ETIMEDOUT"|"EPIPE"? code EPIPE: the channel is closed, or was closed meanwhile
function ThreadChannel:send(value, timeout) end

---The same without waiting; needs no task.
---@param value any but nil
---@return true|nil sent
---@return string? message
---@return "EAGAIN"|"EPIPE"? code
function ThreadChannel:try_send(value) end

---Waits for the next value. Raises when it cannot be made here: a function in it needs a module
---that this worker cannot load.
---@async
---@param timeout? number|kio.Options seconds
---@return any value nil and nothing else when the channel is closed and empty
---@return string? message
---@return "ETIMEDOUT"? code
function ThreadChannel:receive(timeout) end

---The same without waiting; needs no task.
---@return any value nil and nothing else when the channel is closed and empty
---@return string? message
---@return "EAGAIN"? code
function ThreadChannel:try_receive() end

---Iterates over the values until the channel is closed and empty.
---@return async fun(): any
function ThreadChannel:iter() end

---Ends the channel: what it holds can still be received; tasks that wait to send get nil, a message
---and EPIPE. Closing it again does nothing.
function ThreadChannel:close() end

---A flag that any worker may set, and that tasks of all workers wait for.
---@class kio.ThreadEvent
local ThreadEvent = {}

---Sets the flag and wakes every task that waits now, also when it is reset before they run. Needs
---no task.
function ThreadEvent:set() end

---Clears the flag: from now on tasks wait again. Needs no task.
function ThreadEvent:reset() end

---Whether it is set at this moment. Needs no task.
---@return boolean
function ThreadEvent:is_set() end

---Waits until the flag is set.
---@async
---@param timeout? number|kio.Options seconds
---@return true|nil set nil when the time is over
---@return string? message
---@return "ETIMEDOUT"? code
function ThreadEvent:wait(timeout) end

return kio
