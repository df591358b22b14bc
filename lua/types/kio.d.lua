---@meta kio.core
-- The half of kio that is written in C, for lua-language-server and for people. `require "kio"`
-- gives what the class kio.Public has, under the same names; kio.core.own, of class kio.Own, is for
-- kio's own Lua half.
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
---@field backend? "uring" the ring to use; test builds also have "sim". Default: $KIO_BACKEND

---Runs `main` as the root task and returns its results when every task has ended and all output has
---left. Raises main's error, or that of a task nobody took the error of; one that is a string
---carries its traceback. Raises, too, when it cannot start: without a ring what kio.check tells,
---else the worker, the step and the errno. One run per thread at a time. Meanwhile SIGPIPE is held
---off, unless the program handles it.
---@param main async fun(...): ...
---@param options? kio.RunOptions
---@return any ... main's results
function kio.run(main, options) end

---@class kio.Limits
---@field soft number
---@field hard number

---What kio.check found. Fields the system does not tell are absent.
---@class kio.Check
---@field usable boolean whether a ring can be had
---@field code? string the errno's name when not
---@field cause? string why not
---@field cure? string what to do about it
---@field text string all of this as a report for people
---@field backend string "uring"
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

---What this machine grants, and when io_uring is refused the cause and the cure. Opens a ring for
---that, unless it is called in a run, which is described then. Never raises; may block for 0.3 s
---when memory is short.
---@return kio.Check
function kio.check() end

---Counters since the run began, but for those marked "now".
---@class kio.Stats
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

-- ---- descriptors: bytes ----
-- Without an offset at the current position, as read(2); with one the position stays, as pread(2).

---@async
---@param fd kio.Fd
---@param size integer at most this many bytes
---@param options? kio.Options
---@return string|nil data fewer bytes than asked is no error; nil without a message at the end
---@return string? message
---@return string? code
function kio.read(fd, size, options) end

---@async
---@param fd kio.Fd
---@param size integer
---@param offset integer
---@param options? kio.Options
---@return string|nil data
---@return string? message
---@return string? code
function kio.pread(fd, size, offset, options) end

---Into several strings, see readv(2).
---@async
---@param fd kio.Fd
---@param sizes integer[] 1 to 1024 of them
---@param options? kio.Options
---@return string[]|nil list nil without a message at the end
---@return string? message
---@return string? code
function kio.readv(fd, sizes, options) end

---@async
---@param fd kio.Fd
---@param sizes integer[]
---@param offset integer
---@param options? kio.Options
---@return string[]|nil list
---@return string? message
---@return string? code
function kio.preadv(fd, sizes, offset, options) end

---See write(2). A pipe nobody reads gives "EPIPE", never a signal.
---@async
---@param fd kio.Fd
---@param data string|kio.Buffer less than 2 GiB
---@param options? kio.Options
---@return integer|nil count bytes written; may be fewer than there are
---@return string? message
---@return string? code
function kio.write(fd, data, options) end

---@async
---@param fd kio.Fd
---@param data string|kio.Buffer
---@param offset integer
---@param options? kio.Options
---@return integer|nil count
---@return string? message
---@return string? code
function kio.pwrite(fd, data, offset, options) end

---From several strings, see writev(2).
---@async
---@param fd kio.Fd
---@param list string[] 1 to 1024 of them
---@param options? kio.Options
---@return integer|nil count
---@return string? message
---@return string? code
function kio.writev(fd, list, options) end

---@async
---@param fd kio.Fd
---@param list string[]
---@param offset integer
---@param options? kio.Options
---@return integer|nil count
---@return string? message
---@return string? code
function kio.pwritev(fd, list, offset, options) end

---Moves bytes that Lua does not see; one of the two must be a pipe. See splice(2). Waits until both
---are ready, and moves what can be moved then: what the other side does not take stays in the pipe.
---@async
---@param from kio.Fd
---@param from_offset integer|nil nil for a pipe, or at the current position
---@param to kio.Fd
---@param to_offset integer|nil
---@param size integer
---@param options? kio.Options
---@return integer|nil count 0 at the end
---@return string? message
---@return string? code
function kio.splice(from, from_offset, to, to_offset, size, options) end

-- ---- descriptors: the file itself ----

---Returns when what was written is on the device, see fsync(2).
---@async
---@param fd kio.Fd
---@param options? kio.Options
---@return boolean|nil done
---@return string? message
---@return string? code
function kio.fsync(fd, options) end

---The same without metadata that reading does not need, see fdatasync(2).
---@async
---@param fd kio.Fd
---@param options? kio.Options
---@return boolean|nil done
---@return string? message
---@return string? code
function kio.fdatasync(fd, options) end

---@async
---@param fd kio.Fd
---@param mode integer 0, or FALLOC_FL_ flags of kio.const; see fallocate(2)
---@param offset integer
---@param length integer
---@param options? kio.Options
---@return boolean|nil done
---@return string? message
---@return string? code
function kio.fallocate(fd, mode, offset, length, options) end

---See ftruncate(2). Before Linux 6.9 the plain call, which blocks.
---@async
---@param fd kio.Fd
---@param length integer
---@param options? kio.Options
---@return boolean|nil done
---@return string? message
---@return string? code
function kio.ftruncate(fd, length, options) end

---Closes. What other tasks have under way on fd ends with "EBADF" first, and a socket is shut down.
---Never refused to a cancelled task. A handle whose number it is is closed with it. The socket is
---not shut down: others may have it. 0, 1 and 2 become /dev/null.
---@async
---@param fd kio.Fd
---@return boolean|nil done
---@return string? message
---@return string? code
function kio.close(fd) end

---Asks every operation under way on fd to end; each fails with "ECANCELED", unless it is done
---before.
---@param fd kio.Fd
---@return integer count
function kio.cancel(fd) end

---Waits for readiness, see poll(2).
---@async
---@param fd kio.Fd
---@param events string letters: r readable, w writable, p priority data, h hung up, e error
---@param options? kio.Options
---@return string|nil events those that are there
---@return string? message
---@return string? code
function kio.poll(fd, events, options) end

-- ---- names ----
-- `dirfd` nil: relative names begin at the working directory (AT_FDCWD).

---@async
---@param dirfd kio.Fd|nil
---@param path string
---@param flags integer O_ flags of kio.const; O_CLOEXEC is always added. See openat(2)
---@param mode? integer permissions of a new file, before the umask (438, that is octal 666)
---@param options? kio.Options
---@return kio.Fd|nil fd
---@return string? message
---@return string? code
function kio.openat(dirfd, path, flags, mode, options) end

---@async
---@param dirfd kio.Fd|nil
---@param path string
---@param flags? integer AT_REMOVEDIR for a directory. See unlinkat(2)
---@param options? kio.Options
---@return boolean|nil done
---@return string? message
---@return string? code
function kio.unlinkat(dirfd, path, flags, options) end

---@async
---@param dirfd kio.Fd|nil
---@param path string
---@param mode? integer permissions, before the umask (511, that is octal 777). See mkdirat(2)
---@param options? kio.Options
---@return boolean|nil done
---@return string? message
---@return string? code
function kio.mkdirat(dirfd, path, mode, options) end

---@async
---@param dirfd kio.Fd|nil
---@param path string
---@param dirfd2 kio.Fd|nil
---@param path2 string
---@param flags? integer RENAME_NOREPLACE or RENAME_EXCHANGE. See renameat2(2)
---@param options? kio.Options
---@return boolean|nil done
---@return string? message
---@return string? code
function kio.renameat(dirfd, path, dirfd2, path2, flags, options) end

---@class kio.Stat
---@field type "file"|"directory"|"link"|"fifo"|"socket"|"char"|"block"|"unknown"
---@field mode integer permission bits
---@field size integer bytes
---@field blocks integer of 512 bytes
---@field blksize integer preferred size of a transfer
---@field nlink integer names
---@field uid integer
---@field gid integer
---@field ino integer
---@field dev integer major number in the upper 32 bits, minor in the lower
---@field atime number seconds since 1970, with fractions: last read
---@field mtime number last written
---@field ctime number last changed in any way
---@field btime? number made, where the filesystem knows
---@field atime_ns? integer the same four exactly, in nanoseconds: times of 1677 to 2262
---@field mtime_ns? integer
---@field ctime_ns? integer
---@field btime_ns? integer
---@field direct_memory? integer with O_DIRECT, a buffer begins at a multiple of this in memory
---@field direct_offset? integer the same of offsets and sizes; both 0: there is no O_DIRECT

---@async
---@param dirfd kio.Fd|nil
---@param path string "" with AT_EMPTY_PATH: dirfd itself
---@param flags? integer AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH. See statx(2)
---@param options? kio.Options
---@return kio.Stat|nil
---@return string? message
---@return string? code
function kio.statx(dirfd, path, flags, options) end

-- ---- sockets by descriptor ----

---An address as text: "127.0.0.1:80", "[::1]:80", "[fe80::1%2]:80", "localhost:80" (127.0.0.1),
---"unix:/path", "unix:@abstract". kio.net.connect and listen take other names, too.
---@alias kio.Address string

---See accept4(2).
---@async
---@param fd kio.Fd
---@param options? kio.Options
---@return kio.Fd|nil fd
---@return kio.Address|string peer or the message
---@return string? code
function kio.accept(fd, options) end

---See connect(2).
---@async
---@param fd kio.Fd
---@param address kio.Address
---@param options? kio.Options
---@return boolean|nil done
---@return string? message
---@return string? code
function kio.connect(fd, address, options) end

---@async
---@param fd kio.Fd
---@param how? "read"|"write"|"both" default both. See shutdown(2)
---@param options? kio.Options
---@return boolean|nil done
---@return string? message
---@return string? code
function kio.shutdown(fd, how, options) end

---@async
---@param fd kio.Fd
---@param size integer
---@param flags? integer MSG_ flags of kio.const. See recv(2)
---@param options? kio.Options
---@return string|nil data nil without a message when the peer has ended
---@return string? message
---@return string? code
function kio.recv(fd, size, flags, options) end

---@async
---@param fd kio.Fd
---@param data string|kio.Buffer
---@param flags? integer MSG_ flags of kio.const. See send(2)
---@param options? kio.Options
---@return integer|nil count
---@return string? message
---@return string? code
function kio.send(fd, data, flags, options) end

---@class kio.MessageOptions: kio.Options
---@field flags? integer MSG_ flags of kio.const
---@field to? kio.Address sendmsg only: where to, for sockets without a connection

---@async
---@param fd kio.Fd
---@param data string|string[] pieces of one message. See sendmsg(2)
---@param options? kio.MessageOptions
---@return integer|nil count
---@return string? message
---@return string? code
function kio.sendmsg(fd, data, options) end

---@async
---@param fd kio.Fd
---@param size integer
---@param options? kio.MessageOptions
---@return string|nil data an empty string may be an empty datagram, or the end of a stream
---@return kio.Address|string|nil peer nil when the socket tells none; or the message
---@return integer|string flags such as MSG_TRUNC; or the code. See recvmsg(2)
function kio.recvmsg(fd, size, options) end

-- ---- calls that never wait, and need no task ----

---@param kind "tcp4"|"tcp6"|"udp4"|"udp6"|"unix"|"unixgram"|"seqpacket" see socket(2)
---@return kio.Fd|nil fd
---@return string? message
---@return string? code
function kio.socket(kind) end

---@return kio.Fd|nil reading see pipe2(2)
---@return kio.Fd|string writing or the message
---@return string? code
function kio.pipe() end

---Two Unix sockets that are connected, see socketpair(2).
---@param type? "stream"|"datagram"|"seqpacket" ("stream")
---@return kio.Fd|nil
---@return kio.Fd|string
---@return string? code
function kio.socketpair(type) end

---@param fd kio.Fd
---@param address kio.Address see bind(2)
---@return boolean|nil done
---@return string? message
---@return string? code
function kio.bind(fd, address) end

---@param fd kio.Fd
---@param backlog? integer connections that may wait (1024; the kernel's somaxconn caps it)
---@return boolean|nil done
---@return string? message
---@return string? code
function kio.listen(fd, backlog) end

---@param fd kio.Fd
---@return kio.Address|nil
---@return string? message
---@return string? code
function kio.getsockname(fd) end

---@param fd kio.Fd
---@return kio.Address|nil
---@return string? message
---@return string? code
function kio.getpeername(fd) end

---The traceback of an error that has left a run, when it is a table or a userdata: such a value
---goes its way unchanged, while a string carries its traceback itself. Of the last run that it has
---left.
---@param err any
---@return string? traceback
function kio.traceback(err) end

---The numbers the raw operations take: openat(2), unlinkat(2), statx(2), renameat2(2), recv(2),
---send(2), fallocate(2).
---@class kio.Const
---@field O_RDONLY integer
---@field O_WRONLY integer
---@field O_RDWR integer
---@field O_APPEND integer
---@field O_CREAT integer
---@field O_EXCL integer
---@field O_TRUNC integer
---@field O_DIRECTORY integer
---@field O_NOFOLLOW integer
---@field O_DIRECT integer
---@field O_SYNC integer
---@field O_DSYNC integer
---@field O_PATH integer
---@field O_TMPFILE integer
---@field O_NOATIME integer
---@field O_NONBLOCK integer
---@field AT_REMOVEDIR integer
---@field AT_SYMLINK_NOFOLLOW integer
---@field AT_EMPTY_PATH integer
---@field RENAME_NOREPLACE integer
---@field RENAME_EXCHANGE integer
---@field MSG_PEEK integer
---@field MSG_OOB integer
---@field MSG_WAITALL integer
---@field MSG_DONTWAIT integer
---@field MSG_TRUNC integer
---@field MSG_MORE integer
---@field MSG_CTRUNC integer
---@field MSG_NOSIGNAL integer
---@field FALLOC_FL_KEEP_SIZE integer
---@field FALLOC_FL_PUNCH_HOLE integer
---@field FALLOC_FL_ZERO_RANGE integer
---@field FALLOC_FL_COLLAPSE_RANGE integer

-- ---- the coroutine library ----
-- Loading kio replaces coroutine.resume, wrap, yield, status, isyieldable and close. Outside tasks
-- they do what Lua's do. Inside, an operation in a coroutine suspends the whole task, while the
-- coroutine's own yields go to its own resumer; coroutine.yield at a task's top level raises.

-- ---- for kio's own Lua half ----

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

---Waits until this thread has closed a descriptor, or descriptor_freed is called: what accepts when
---there was none. Closing a listener counts.
---@async
---@param seconds number
---@return boolean freed false when the time is over
function kio.descriptor_wait(seconds) end

---Whether what the listener accepts keeps packets apart.
---@param listener kio.Listener
---@return boolean
function kio.listener_packets(listener) end

---Whether its own close has closed it, and not somebody who has its number.
---@param listener kio.Listener
---@return boolean
function kio.listener_closed(listener) end

---A server accepts from it now, or does not any more: as long as one does it cannot move.
---@param listener kio.Listener
---@param served boolean
function kio.listener_served(listener, served) end

---The next connection, for loops: the kernel goes on accepting while one waits for it.
---@async
---@param listener kio.Listener
---@return kio.Stream|nil stream
---@return kio.Address|string peer or a message
---@return string? code
function kio.listener_next(listener) end

---Whether listener_next makes requests that bring many connections, in this run.
---@return boolean
function kio.accepts_many() end

---Another thread has closed descriptors: wakes every task that waits in descriptor_wait.
function kio.descriptor_freed() end

---How long nothing has moved on a stream although a task waits for its peer.
---@param stream kio.Stream
---@return number seconds 0 when no task does
function kio.stream_idle(stream) end

---What a method of a stream needs to know that sends on its own.
---@param stream kio.Stream
---@return boolean direct whether the stream's bytes are its descriptor's
---@return string name what messages call it
---@return number? timeout its own, in seconds
---@return integer mark bytes it gathers before a writer waits
function kio.stream_way(stream) end

---Puts a filter under a stream: docs/filters.md.
---@param stream kio.Stream
---@param filter userdata of the metatable "kio.Filter"
---@return kio.Stream|nil stream
---@return string? message
---@return string? code
function kio.stream_filter(stream, filter) end

---Waits until the filter of a stream is ready.
---@async
---@param stream kio.Stream
---@param options? kio.Options
---@return kio.Stream|nil stream
---@return string? message
---@return string? code "ECONNRESET" when the peer ends before
function kio.stream_handshake(stream, options) end

---Keeps others from writing to a stream, or no longer; raises when another task writes.
---@param stream kio.Stream
---@param reserve boolean
function kio.stream_reserve(stream, reserve) end

---@return integer turns of the loop so far
function kio.turn() end

---A FIFO of waiting tasks: what kio.sync is made of.
---@class kio.Queue: userdata
local Queue = {}

---@param what "mutex"|"semaphore"|"condition"|"event"|"waitgroup"|"channel send"|"channel receive"
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

---What tostring gives, whatever the value's __tostring does.
---@param value any
---@return string
function kio.text_of(value) end

---Whether the collector has called the function that calls this.
---@return boolean
function kio.finalizes() end

---@return kio.Task? running nil outside tasks
function kio.current() end

---What a task that has ended returned; raises its error.
---@param task kio.Task
---@return any ...
function kio.task_result(task) end

---kio.net.connect to an address that is no name.
---@async
---@param address kio.Address
---@param options? kio.ConnectOptions but for attempt_delay
---@return kio.Stream|false|nil stream false: the host is a name, and all else is right
---@return string? message
---@return string? code
function kio.net_connect(address, options) end

---kio.net.listen on an address that is no name.
---@param address kio.Address
---@param options? kio.ListenOptions
---@return kio.Listener|false|nil listener false: the host is a name, and all else is right
---@return string? message
---@return string? code
function kio.net_listen(address, options) end

---getaddrinfo(3): each address with its port. kio.net.resolve is made of it.
---@async
---@param name string
---@param service string a port's number or a service's name
---@param family? "any"|"inet"|"inet6"
---@param type? "stream"|"datagram"
---@param options? kio.Options
---@return kio.Address[]|nil
---@return string? message
---@return string? code
function kio.net_lookup(name, service, family, type, options) end

---What kind of address a text is; nil and what is wrong with it.
---@param text string
---@return "numeric"|"name"|nil
---@return string? wrong
function kio.net_parse(text) end

---kio.fs.readdir
---@async
---@param path string
---@param options? kio.Options
---@return { name: string, type: string }[]|nil
---@return string? message
---@return string? code
function kio.readdir(path, options) end

---kio.fs.symlink
---@async
---@param target string
---@param path string
---@param options? kio.Options
---@return boolean|nil done
---@return string? message
---@return string? code
function kio.symlink(target, path, options) end

---kio.fs.readlink
---@async
---@param path string
---@param options? kio.Options
---@return string|nil target
---@return string? message
---@return string? code
function kio.readlink(path, options) end

---kio.fs.realpath
---@async
---@param path string
---@param options? kio.Options
---@return string|nil path
---@return string? message
---@return string? code
function kio.realpath(path, options) end

---kio.fs.chmod
---@async
---@param path string
---@param mode integer
---@param options? kio.Options
---@return boolean|nil done
---@return string? message
---@return string? code
function kio.chmod(path, mode, options) end

---lseek(2): of regular files it never waits.
---@param fd kio.Fd
---@param whence "set"|"cur"|"end"|"data"|"hole"
---@param offset? integer
---@return integer|nil position
---@return string? message
---@return string? code
function kio.lseek(fd, whence, offset) end

---Errors about misuse point at the innermost function that is not in files like these.
---@param beginning string of their sources, as debug.getinfo tells it
function kio.own_files(beginning) end

---Raises the message, and the code behind it, where a function that is none of kio's own has
---called: for iterators, which cannot return them.
---@param message string
---@param code? string
function kio.raise(message, code) end

---The words with which operations on streams fail with this code: "connection reset by peer".
---@param code string
---@return string
function kio.error_words(code) end

---A descriptor that tells of changes, see inotify(7).
---@param path string
---@param mask integer
---@return kio.Fd|nil fd
---@return string? message
---@return string? code
function kio.inotify(path, mask) end

---Closes where nothing can wait: in finalizers.
---@param fd kio.Fd
---@return boolean|nil done
---@return string? message
---@return string? code
function kio.close_now(fd) end

---The same values, an integer with who has the number now: what a handle written in Lua keeps, so
---that it cannot mean another descriptor once its number was closed. Operations take it for a
---number.
---@param fd kio.Fd|nil
---@param ... any
---@return integer|nil name
---@return any ...
function kio.name_fd(fd, ...) end

---The number of such a name; nil once it was closed.
---@param name integer
---@return kio.Fd|nil
function kio.fd_of_name(name) end
---@param dirfd kio.Fd
---@param name string
---@return boolean|nil done
---@return string? message
---@return string? code
function kio.unlink_now(dirfd, name) end

---For names nobody can guess: 64 bits from the kernel.
---@return integer
function kio.random() end

---A text of any origin, so that it can be printed.
---@param text string
---@param kind? "name"|"text" on one line, which is usual, or on several, each behind a tab
---@return string
function kio.escape(text, kind) end

---@async
---@param fd kio.Fd of a directory
---@param path string for messages
---@return { name: string, type: string }[]|nil list
---@return string? message
---@return string? code
function kio.readdir_open(fd, path) end

---@async
---@param fd kio.Fd of a link itself
---@param path string for messages
---@return string|nil target
---@return string? message
---@return string? code
function kio.readlink_open(fd, path) end

---@async
---@param fd kio.Fd
---@param path string for messages
---@param like kio.Fd|nil whose owner and group it gets
---@param mode integer|"like"|"keep" its permissions
---@return boolean|nil done
---@return string? message
---@return string? code
function kio.access_set(fd, path, like, mode) end

---@class kio.core: kio.Public
---@field own kio.Own
---@field globals table the standard functions as they were when kio was loaded; for kio's own files
local core = {}

return core
