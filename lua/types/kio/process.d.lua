---@meta kio.core.process
-- The C half of kio.process, and of the streams over what is open already.

---@class kio.Own
local kio = {}

---A stream that owns the descriptor of a pipe, a terminal, a device or a file. For kio's own Lua
---half; see kio.stream.
---@param fd kio.Fd
---@return kio.Stream|nil
---@return string? message
---@return string? code
function kio.stream_take(fd) end

---A stream that borrows a standard descriptor. For kio's own Lua half; see kio.stdin.
---@param name "stdin"|"stdout"|"stderr"
---@return kio.Stream|nil
---@return string? message
---@return string? code
function kio.stream_standard(name) end

-- ---- for kio.process ----

---A process that was started. Collected, it is killed and its end taken from the system, unless it
---is detached.
---@class kio.Child: userdata

---A pipe to a program, or from it.
---@param input boolean whether the stream is written, and the program reads
---@return kio.Fd|nil fd the program's end
---@return kio.Stream|string stream on the other one
---@return string? code
function kio.process_pipe(input) end

---Has a descriptor wait, as programs expect.
---@param fd kio.Fd|kio.Stream|kio.File
---@param option string
---@return kio.Fd|nil name of the number, as long as it is not closed
---@return string? message
---@return string? code
function kio.process_give(fd, option) end

---For kio.process.spawn, which checks the arguments.
---@param argv string[]
---@param env string[] "NAME=value"
---@param cwd string?
---@param stdin integer below 0: /dev/null
---@param stdout integer
---@param stderr integer
---@param detached boolean?
---@return kio.Child|nil
---@return integer|string pid
---@return string? code
---@see execve(2), clone(2)
function kio.process_spawn(argv, env, cwd, stdin, stdout, stderr, detached) end

---For Process:wait.
---@async
---@param child kio.Child
---@param options? kio.Options
---@return integer|false|nil code false when a signal has ended it
---@return string? signal or message
---@return string? errname
function kio.process_wait(child, options) end

---For Process:kill.
---@param child kio.Child
---@param signal? string|integer
---@return true|nil
---@return string? message
---@return string? code
---@see pidfd_send_signal(2)
function kio.process_kill(child, signal) end

---For Process:close.
---@async
---@param child kio.Child
---@return true
function kio.process_close(child) end

---For Process:__tostring.
---@param child kio.Child
---@return "running"|"ended"|"detached" the last: it runs, and its handle is closed
function kio.process_state(child) end

---This program's variables, as "NAME=value".
---@return string[]
function kio.process_environment() end
