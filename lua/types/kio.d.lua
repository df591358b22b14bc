---@meta kio.core
-- The half of kio that is written in C, for lua-language-server and for people. `require "kio"`
-- gives what the class kio.Public has, under the same names; kio.core.own, of class kio.Own, is for
-- kio's own Lua half. Runs, tasks and scopes are here; the files in kio/ have the other rooms.
--
-- Conventions. What the world refuses is returned: nil, a message that names operation and subject,
-- and the errno's name ("ECONNREFUSED"; "ETIMEDOUT" when a `timeout` has passed, "EBADF" for a
-- closed handle). Misuse is raised: wrong types, unknown option keys, an operation outside a task,
-- where Lua cannot yield, or in a forked child. In a cancelled scope every operation raises
-- kio.Cancelled. @async marks what may suspend the calling task; everything else returns at once,
-- or says "blocks". Times are seconds, fractions allowed; no timeout is nil, 0 is "try once". Sizes
-- and offsets are bytes.

---@class kio.Public
---@field Cancelled kio.Cancelled
---@field const kio.Const
local kio = {}

---What a cancellation raises, and a cancelled task ends with. One value; see kio.is_cancelled.
---@class kio.Cancelled: userdata

---@class kio.Options
---@field timeout? number seconds after which the operation ends with "ETIMEDOUT"

---An open file descriptor's number, from 0.
---@alias kio.Fd integer

-- ---- running ----

---Takes the error of a task in place of its scope.
---@alias kio.OnError async fun(err: any, traceback: string?, task: kio.Task)

---@class kio.RunOptions
---@field entries? integer room in the submission queue (256); does not limit what is in flight
---@field cq_entries? integer room in the completion queue (4096)
---@field multishot? boolean loops over a listener accept many with one request (true)
---@field lend_buffers? integer 4 KiB buffers that may lie ready for receives (256); 0: poll first
---@field sqpoll? boolean|number a kernel thread submits; the seconds it idles before it sleeps (1)
---@field busy_poll? number seconds to look for completions before sleeping (0)
---@field threads? integer workers (1)
---@field pin? boolean|integer[] worker i runs on the i-th CPU of those allowed, or of the list
---@field on_worker_error? "stop"|"keep" whether a worker that breaks down ends the run ("stop")
---@field blocking_threads? integer blocking jobs that run at once (8)
---@field blocking_queue? integer and those that may wait (1024)
---@field shutdown_timeout? number seconds that ending may take once the run unwinds (30)
---@field on_error? boolean|kio.OnError takes the error of a root task nobody awaits; true prints it
---@field interrupt? boolean Ctrl-C unwinds the run, which then raises "interrupted!" (true)
---@field watchdog? number seconds a task may hold the loop before it is reported (0: never)
---@field on_watchdog? fun(report: kio.Hog) takes the report; else it goes to stderr
---@field testing? kio.Rig what kio.testing asks for
---@field backend? "auto"|"uring"|"epoll" the ring. Default: $KIO_BACKEND, or "auto": io_uring, and
---epoll where that is refused. Test builds also have "sim"

---@class kio.Limits
---@field soft number
---@field hard number

---What kio.check found. Fields the system does not tell are absent.
---@class kio.Check
---@field usable boolean whether io_uring can be had
---@field code? string the errno's name when not
---@field cause? string why not
---@field cure? string what to do about it
---@field text string all of this as a report for people
---@field backend? string "uring" or "epoll": what a run has that does not say, or this one
---@field granted? string what the ring was granted: "sq=256 cq=4096 SINGLE_ISSUER ..."
---@field liburing string the version kio was built with
---@field kernel string release, as uname(2) tells it
---@field entries integer what a default run asks for
---@field cq_entries integer
---@field ring_size integer bytes of memory such a ring takes
---@field memlock kio.Limits RLIMIT_MEMLOCK in bytes; math.huge: unlimited
---@field memlock_charged boolean whether rings count against it here
---@field nofile kio.Limits RLIMIT_NOFILE
---@field io_uring_disabled? integer sysctl kernel.io_uring_disabled: 0 all, 1 some, 2 nobody
---@field io_uring_group? integer sysctl kernel.io_uring_group
---@field seccomp? integer of this process: 0 none, 1 strict, 2 a filter
---@field no_new_privs? boolean of this process
---@field cpus integer processors this process may run on
---@field container? string a hint: "docker", "podman", "kubernetes", "lxc", "container"

---Counters since the run began, but for those marked "now".
---@class kio.Stats
---@field backend string "uring" or "epoll"
---@field turns integer turns of the loop
---@field resumes integer times a task was resumed
---@field spawned integer tasks made
---@field tasks integer now: tasks that have not ended
---@field timers integer now: deadlines and sleeps under way
---@field ready integer now: tasks that could run
---@field pending integer now: requests queued or in the kernel
---@field enters integer calls into the kernel
---@field completions integer requests completed
---@field completions_per_enter number their ratio: how well a loaded program batches
---@field ignored integer completions nobody owns: of cancels
---@field stale integer completions of requests that had ended
---@field overflows integer times the completion queue was full
---@field held_back integer times requests waited because the submission queue was full
---@field more integer results on the way, of requests that bring many
---@field starved integer times a receive found no lent buffer ready and was tried again
---@field buffers integer now: buffers in use
---@field pool table<"threads"|"running"|"queued", integer> now: threads for what blocks, jobs
---@field longest_turn number seconds: the longest time the loop did not look at the kernel
---@field ops table<string, integer> requests by operation: "read", "accept", ...

---Raises outside a run.
---@return kio.Stats
function kio.stats() end

---What a task waits for.
---@class kio.Waiting
---@field op string the operation: "recv", "sleep", "await", ...
---@field seconds number for how long by now
---@field fd? kio.Fd the descriptor it works on
---@field peer? kio.Address the other end of that
---@field task? kio.Task the one it awaits

---@class kio.TaskInfo
---@field id integer from 1, in the order of spawning
---@field task kio.Task
---@field parent? kio.Task in whose scope it runs
---@field name string what its spawner called it, else where its function begins
---@field status string as task:status()
---@field daemon boolean
---@field traceback string where it is, its own coroutines included
---@field waiting? kio.Waiting

---Every task of this run that has not ended, oldest first. Raises outside a run.
---@return kio.TaskInfo[]
function kio.tasks() end

---What the watchdog tells of a task that holds the loop.
---@class kio.Hog
---@field task kio.Task
---@field name string
---@field seconds number how long by now
---@field traceback string where it is
---@field running boolean false: reported only after it had yielded

-- ---- tasks ----

---A function running concurrently, made by kio.spawn. Belongs to the scope it was spawned in.
---@class kio.Task: userdata
local Task = {}

---A function with its arguments and what is to be known of its task.
---@class kio.Job
---@field [1] async fun(...): ...
---@field [integer] any arguments
---@field name? string for people
---@field daemon? boolean it is cancelled when only daemons are left in its scope
---@field on_error? boolean|kio.OnError takes its error; true prints it; false: not the run's one

---Makes a task that starts in the next turn of the loop.
---@param f (async fun(...): ...)|kio.Job
---@param ... any arguments of f, when f is a function
---@return kio.Task
function kio.spawn(f, ...) end

---Waits until the task has ended. Raises its error, or kio.Cancelled when it was cancelled.
---@async
---@param options? kio.Options
---@return any ... its results; nil, message, "ETIMEDOUT"
function Task:await(options) end

---Waits until the task has ended, like pcall.
---@async
---@param options? kio.Options
---@return boolean|nil ok nil, message, "ETIMEDOUT" when it has not ended in time
---@return any ... its results; else its error and the traceback, a string
function Task:join(options) end

---Cancels: what it waits for ends, and each of its further operations raises kio.Cancelled.
---@return boolean alive whether it had not ended yet
function Task:cancel() end

---@return "ready"|"waiting"|"done"|"failed"|"cancelled"
function Task:status() end

---Whether `err` is what a cancellation raises.
---@param err any
---@return boolean
function kio.is_cancelled(err) end

-- ---- scopes ----

---The owner of tasks, given to the body of kio.scope.
---@class kio.Scope: userdata
local Scope = {}

---Runs f with a scope and returns when f and every task spawned in the scope have ended. The first
---error cancels the others and is raised when they have ended; with it go the others' errors: below
---its traceback, and in the list `suppressed` of an error that is a table.
---@async
---@param f async fun(scope: kio.Scope): ...
---@return any ... f's results; nil, message, "ECANCELED" when it was cancelled before f ended
function kio.scope(f) end

---Makes a task in this scope, also from outside of its body. Raises when the scope has ended; in
---one that is cancelled the task ends before it begins.
---@param f (async fun(...): ...)|kio.Job
---@param ... any
---@return kio.Task
function Scope:spawn(f, ...) end

---Cancels the body and every task. Nothing when the scope has ended.
---@param reason? any told in the message of kio.scope's result
function Scope:cancel(reason) end

---Runs f in a scope with a deadline. An inner deadline never extends an outer one; of several that
---have passed the innermost is told. With 0 each operation is tried once.
---@async
---@param seconds number
---@param f async fun(...): ...
---@param ... any
---@return any ... f's results; nil, message, "ETIMEDOUT" when the deadline cut f or a task off
function kio.timeout(seconds, f, ...) end

---The same with a moment of kio.now's clock.
---@async
---@param at number
---@param f async fun(...): ...
---@param ... any
---@return any ...
function kio.deadline(at, f, ...) end

---Runs f, and the tasks it spawns, to their end although the scope outside is cancelled. For
---cleaning up; give it a deadline of its own: kio.shield(kio.timeout, 1, f).
---@async
---@param f async fun(...): ...
---@param ... any
---@return any ... f's results
function kio.shield(f, ...) end

-- ---- time ----

---@async
---@param seconds number 0 or more; math.huge: for ever
function kio.sleep(seconds) end

---Lets every other ready task, and the kernel, have a turn.
---@async
function kio.yield() end

---The clock of deadlines (CLOCK_MONOTONIC); only differences mean something.
---@return number seconds
function kio.now() end

-- ---- the coroutine library ----
-- Loading kio replaces coroutine.resume, wrap, yield, status, isyieldable and close. Outside tasks
-- they do what Lua's do. Inside, an operation in a coroutine suspends the whole task, while the
-- coroutine's own yields go to its own resumer; coroutine.yield at a task's top level raises.

---@class kio.core: kio.Public
---@field own kio.Own
---@field globals table the standard functions as they were when kio was loaded; for kio's own files
local core = {}

return core
