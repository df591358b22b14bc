---@meta kio.core.own
-- What the C half has for kio's own Lua half alone: kio.core.own.

---What kio's own Lua half needs of the C half. No part of the interface: it may change at any time.
---@class kio.Own
---@field stream_methods kio.Stream the methods of all streams, to which the Lua half adds
---@field listener_methods kio.Listener
---@field udp_methods kio.Udp
---@field buffer_methods kio.Buffer
local kio = {}

---What kio.testing asks of kio.run: a clock that jumps, an order, a limit.
---@class kio.Rig
---@field clock? "virtual"|"real"
---@field settle? number real seconds the kernel gets before the clock jumps (0.01)
---@field timeout? number seconds on the run's clock after which it is ended
---@field seed? integer decides the order of ready tasks; 0: first come

---Faults that requests meet, for kio.testing.faults.
---@class kio.Faults: kio.testing.Faults
local Faults = {}

---How many requests have met the i-th fault; all faults without i.
---@param i? integer
---@return integer
function Faults:hits(i) end

---No request meets them any more.
function Faults:clear() end

---The requests of this run meet them from now on. Raises in a run that kio.testing has not begun.
---@param list kio.testing.Fault[]
---@return kio.Faults
function kio.rig_faults(list) end

---A text about every live task but the caller: name, wait, traceback. Bounded.
---@return string
function kio.report() end

---Every open descriptor of this process, and what it is.
---@return table<kio.Fd, string>
function kio.descriptors() end

---The requests of this run that are queued or in the kernel.
---@return { op: string, fd: kio.Fd? }[]
function kio.requests() end

---The error of a failed task goes with `err`, by which the caller is about to end: below its
---traceback, and in `err.suppressed` when it is a table. Nothing for a task that has not failed.
---@param err any
---@param task kio.Task
function kio.attach_failure(err, task) end

---Spawns f(value), or f(value, i), for each value of the list; without f the values themselves. The
---tasks are in the list then.
---@param list any[]
---@param f? async fun(value: any, i?: integer): ...
---@param scope kio.Scope
---@param numbered? boolean
---@return kio.Task[]
function kio.spawn_each(list, f, scope, numbered) end

---spawn_each in a scope of its own: all of them have ended when it returns. In the list, which is
---nobody else's, is then what each has returned first; those that gave nil and a message apart.
---@async
---@param list any[]
---@param f? async fun(value: any): ...
---@return { n: integer, [integer]: any } values
---@return table<integer, kio.Failure>? failed
function kio.gather(list, f) end

---A copy of a list that has functions and nothing else in it; nil: it is none.
---@param list any
---@return function[]?
function kio.copy_functions(list) end

---Waits until this thread has closed a descriptor, or descriptor_freed is called: what accepts when
---there was none. Closing a listener counts.
---@async
---@param seconds number
---@return boolean freed false when the time is over
function kio.descriptor_wait(seconds) end

---Another thread has closed descriptors: wakes every task that waits in descriptor_wait.
function kio.descriptor_freed() end

---@return integer turns of the loop so far
function kio.turn() end

---@alias kio.QueueName
---| "mutex" | "semaphore" | "condition" | "event" | "waitgroup" | "channel send"
---| "channel receive" | "pool"

---A FIFO of waiting tasks: what kio.sync is made of.
---@class kio.Queue: userdata
local Queue = {}

---@param what kio.QueueName
---@return kio.Queue
function kio.queue(what) end

---Waits until another task wakes this one. A task that has been woken and is cancelled before it
---runs keeps what it was given: the next operation raises.
---@async
---@param seconds? number
---@param cell? any offered to whoever wakes it
---@return true|nil woken nil when the time is over
---@return any given
function Queue:wait(seconds, cell) end

---The same, but also in a cancelled task, and not ended by a cancellation.
---@async
---@return true woken
---@return any given
function Queue:wait_shielded() end

---Wakes the task that has waited longest.
---@param given? any what its wait returns
---@return kio.Task? task nil: nobody waits
---@return any cell what it offered
function Queue:wake(given) end

---@return boolean nobody_waits
function Queue:empty() end

---@return integer tasks how many wait; walks through them
function Queue:length() end

---Waits in several queues at once, for the ends of tasks that are alive and of open listeners.
---@async
---@param list (kio.Queue|kio.Task|kio.Listener)[]
---@param seconds? number
---@param cells? any[] one per entry of the list
---@return integer|nil which entry has woken this task; nil when the time is over
---@return any given
function kio.wait_any(list, seconds, cells) end

---Raises where an operation would: outside tasks, and kio.Cancelled.
---@return kio.Task running
---@return boolean? spent whether what needs no waiting must be followed by let_turn
function kio.checkpoint() end

---The loop turns. Raises nothing: what was taken before must reach the caller.
---@async
function kio.let_turn() end

---An operation written in Lua has come to something at once: the loop turns when it is time for
---that. Raises Cancelled; does nothing outside of tasks.
---@async
function kio.at_once() end

---The same for what must not be refused to a cancelled task, such as a second `close`: raises
---nothing.
---@async
function kio.done_at_once() end

---What tostring gives, whatever the value's __tostring does.
---@param value any
---@return string
function kio.text_of(value) end

---Whether the collector has called the function that calls this.
---@return boolean
function kio.finalizes() end

---@return kio.Task? running nil outside tasks
function kio.current() end

---kio.spawn into the scope of the run, which outlives all others.
---@param job kio.Job
---@return kio.Task? task nil outside of a run
function kio.spawn_root(job) end

---What a task that has ended returned; raises its error.
---@param task kio.Task
---@return any ...
function kio.task_result(task) end

---Errors about misuse point at the innermost function that is not in files like these.
---@param beginning string of their sources, as debug.getinfo tells it
function kio.own_files(beginning) end

---What kio.run does, with what kio.run.options has read.
---@param main async fun(...): ...
---@param record table
---@return any ... main's results
function kio.run(main, record) end

---What kio.runtime does, with what kio.run.options has read.
---@param record table
---@return kio.Runtime|nil runtime
---@return string? message
---@return string? code
function kio.runtime(record) end

---The most that options of kio.run may say.
---@return integer entries
---@return integer lend_buffers
---@return integer threads
function kio.run_limits() end

---The name of that ring, of "auto" the chosen one's; nil: this build has none.
---@param name string
---@return string|nil
function kio.ring_named(name) end

---The name of this run's ring; nil outside of one.
---@return string|nil
function kio.ring_here() end

---What this machine says of rings, and what it grants or refuses; without any words.
---@return table facts
function kio.try_ring() end

---What makes the words with which kio.run fails when it gets no ring, of what try_ring tells: in
---one line, or as kio.check does.
---@param f fun(facts: table, whole: boolean): string
function kio.refusal_words(f) end

---Raises the message, and the code behind it, where a function that is none of kio's own has
---called: for iterators, which cannot return them.
---@param message string
---@param code? string
function kio.raise(message, code) end

---The words with which operations on streams fail with this code: "connection reset by peer".
---@param code string
---@return string
function kio.error_words(code) end

---The name of an errno, as functions of `io` give them.
---@param number integer
---@return string
function kio.error_name(number) end

---For names nobody can guess: 64 bits from the kernel.
---@return integer
function kio.random() end

---A text of any origin, so that it can be printed.
---@param text string
---@param kind? "name"|"text" on one line, which is usual, or on several, each behind a tab
---@return string
function kio.escape(text, kind) end
