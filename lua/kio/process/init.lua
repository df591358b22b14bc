---Other programs: started, spoken to through streams, waited for. See docs/process.md.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local core = require "kio.core"
local Process = require "kio.process.handle"
local stdio = require "kio.process.stdio"

local own = core.own

local process = {}

---@class kio.ProcessOptions the program and its arguments as a list, and:
---@field env? table<string, string|number|false> variables added to this program's; false: removed
---@field clear_env? boolean starts from no variables at all
---@field cwd? string the folder it starts in
---@field stdin? kio.Stdio what becomes its input; default "inherit"
---@field stdout? kio.Stdio what becomes its output; default "inherit"
---@field stderr? kio.Stdio|"stdout" what becomes its errors; default "inherit"
---@field detached? boolean a session of its own, where it outlives handle and program (Linux 5.4)

---A pipe whose other end is a stream of the process, this program's own, /dev/null; or a
---descriptor, a stream or a file. A list of one word is that word, also where a text is meant.
---@alias kio.Stdio "pipe"|"inherit"|"null"|{ [1]: "inherit"|"null" }|kio.Fd|kio.Stream|kio.File

local SPAWN = {
  env = true, clear_env = true, cwd = true, stdin = true, stdout = true, stderr = true,
  detached = true,
}
local RUN = { max = true, timeout = true, linger = true }

-- ---- checks ----

local function refuse(text, ...) check.misuse(string.format("kio.process: " .. text, ...)) end

local function check_word(value, what)
  if type(value) ~= "string" then refuse("%s must be a string, got %s", what, type(value)) end
  if string.find(value, "\0", 1, true) then refuse("%s contains a zero byte", what) end
  return value
end

local function check_keys(options, more)
  for key in pairs(options) do
    local listed = math.type(key) == "integer" and key >= 1 and key <= #options
    if not (listed or SPAWN[key] or more and more[key]) then
      refuse("unknown option '%s'", own.text_of(key))
    end
  end
end

local function arguments(options)
  if type(options) ~= "table" then
    refuse("a list { command, argument, ... } expected, got %s", type(options))
  end
  local list = {}
  for i = 1, #options do
    local word = options[i]
    if type(word) == "number" then word = tostring(word) end
    list[i] = check_word(word, string.format("argument %d", i))
  end
  if #list == 0 or list[1] == "" then refuse "no command is named" end
  return list
end

local function check_variable(name, value)
  if type(name) ~= "string" or name == "" or string.find(name, "[=\0]") then
    refuse("'%s' is no name of a variable", own.text_of(name))
  end
  if value ~= false then check_word(type(value) == "number" and tostring(value) or value,
    string.format("variable %s", name)) end
end

-- The variables as "NAME=value".
local function environment(options)
  local env, list = check.copy(options.env or {}), {}
  if type(env) ~= "table" then refuse("option 'env' must be a table, got %s", type(env)) end
  for name, value in pairs(env) do
    check_variable(name, value)
    if value ~= false then list[#list + 1] = string.format("%s=%s", name, value) end
  end
  if options.clear_env then return list end
  for _, variable in ipairs(own.process_environment()) do
    if env[string.match(variable, "^[^=]*")] == nil then list[#list + 1] = variable end
  end
  return list
end

local function descriptors(options)
  local all, wrong = stdio.of(options)
  if all then return all end
  refuse("option '%s' must be \"pipe\", \"inherit\", \"null\", a list of one of the latter, "
    .. "a descriptor, an open stream or an open file", wrong)
end

-- ---- starting ----

local PAUSES = 9 -- each twice as long as the one before: half a second together
local FIRST = 0.001

-- io_uring holds a file for as long as its own thread (an io-wq worker, the one of SQPOLL) has not
-- dropped its reference, which may be after the operation, and even after the close, was told to be
-- done; the last step is taken in a turn of this loop. Until then exec(2) fails with ETXTBSY, as it
-- does while anybody has the file open for writing. So the loop turns, and it is tried again. Who
-- cannot wait here (outside of a task, in one that is cancelled) is told at once.

-- own.process_spawn, which is patient about ETXTBSY.
local function attempt(argv, env, cwd, fds, detached)
  local child, pid, code
  for try = 0, PAUSES do
    child, pid, code = own.process_spawn(argv, env, cwd, fds[1], fds[2], fds[3], detached)
    if child or code ~= "ETXTBSY" or try == PAUSES then break end
    if not pcall(core.sleep, FIRST * 2 ^ try) then break end
  end
  return child, pid, code
end

-- Its streams keep a process: the collector ends it when nobody has any of them.
local of_stream = setmetatable({}, { __mode = "k" })

local function start(options, argv)
  if options.cwd ~= nil then check_word(options.cwd, "option 'cwd'") end
  local detached = options.detached or false
  if type(detached) ~= "boolean" then refuse "option 'detached' must be a boolean" end
  local all, env = descriptors(options), environment(options)
  local wires <close> = stdio.wires()
  local wired, name, errname = wires:connect(all)
  if not wired then
    return nil, string.format("spawn %s: %s: %s", argv[1], name, own.error_words(errname)), errname
  end
  local child, pid, code = attempt(argv, env, options.cwd, wires.fds, detached)
  if not child then return nil, pid, code end
  wires.started = true
  for _, stream in ipairs(wires.streams) do
    if stream then of_stream[stream] = child end
  end
  return setmetatable({
    child = child, pid = pid, command = argv[1], stdin = wires.streams[1] or nil,
    stdout = wires.streams[2] or nil, stderr = wires.streams[3] or nil,
  }, Process)
end

---Starts a program: `kio.process.spawn { "sort", "-r", stdin = "pipe", stdout = "pipe" }`. It is
---looked for along PATH unless it has a slash. Blocks until its exec, some hundred microseconds;
---while somebody writes to its file (ETXTBSY) it waits up to half a second.
---@async
---@param options kio.ProcessOptions
---@return kio.Process|nil process
---@return string? message names the command
---@return string? code
function process.spawn(options, ...)
  check.no_more(1, "spawn", ...)
  options = check.copy(options)
  local argv = arguments(options)
  check_keys(options)
  return start(options, argv)
end

-- ---- running to the end ----

local function feed(stream, input)
  stream:send(input) -- who does not read all of it need not: EPIPE is no failure
  stream:close()
end

-- Reads everything, or has the scope given up.
local function collect(scope, state, name, stream, max)
  local data, message, code = stream:read("a", { max = max })
  if data then
    state[name] = data
  elseif not state.failed then
    state.failed = { string.format("run %s: %s: %s", state.command, name, message), code }
    scope:cancel()
  end
end

local ONE_TRY = { timeout = 0 }

-- Its children may hold its pipes open. After this time they are not waited for any more: what has
-- been written by then is all there is.
local function give_up_later(child, state, readers, feeder, seconds)
  core.timeout(seconds, function()
    for _, reader in pairs(readers) do reader:join() end
  end)
  if feeder then feeder:cancel() end
  for name, reader in pairs(readers) do
    if reader:status() ~= "done" then
      reader:cancel()
      reader:join() -- which has all of it, or has left all in the stream
      state[name] = state[name] or child[name]:recv(math.maxinteger, ONE_TRY) or ""
    end
  end
end

local function run(child, options, input)
  local running <close> = child
  local state = { command = child.command }
  local status, message, code
  core.scope(function(scope)
    local readers, feeder = {}, nil
    for _, name in ipairs { "stdout", "stderr" } do
      local stream = child[name]
      if stream then
        readers[name] = core.spawn(collect, scope, state, name, stream, options.max)
      end
    end
    if input then feeder = core.spawn(feed, child.stdin, input) end
    status, message, code = running:wait()
    if options.linger then give_up_later(child, state, readers, feeder, options.linger) end
  end)
  if state.failed then return nil, table.unpack(state.failed) end
  if not status then return nil, message, code end
  status.stdout, status.stderr = state.stdout, state.stderr
  return status
end

-- The options for spawn: nothing to read, and pipes for what comes.
local function for_spawn(options, input)
  local copy = { stdin = "null", stdout = "pipe", stderr = "pipe" }
  for key in pairs(SPAWN) do
    if options[key] ~= nil then copy[key] = options[key] end
  end
  if input then copy.stdin = "pipe" end
  return copy
end

local function check_limits(options)
  local max = options.max
  if max ~= nil and (math.type(max) ~= "integer" or max < 1) then
    refuse "option 'max' must be a positive integer"
  end
  for _, name in ipairs { "timeout", "linger" } do
    local value = options[name]
    if value ~= nil and (type(value) ~= "number" or value < 0 or value ~= value) then
      refuse("option '%s' must be a number of 0 or more", name)
    end
  end
  if options.detached then refuse "run waits for the end: use spawn for 'detached'" end
end

---@class kio.ProcessRunOptions: kio.ProcessOptions
---@field stdin? string|{ [1]: "inherit"|"null" }|kio.Fd|kio.Stream|kio.File a string is a text that
---it reads, whatever it says; default { "null" }
---@field max? integer most bytes of each output (64 MiB); more of them end it: "EMSGSIZE"
---@field timeout? number seconds after which it is killed: "ETIMEDOUT"
---@field linger? number seconds after its end in which outputs are still read that its own children
---hold open (for ever)

---Runs a program to its end and collects what it writes. It is killed when the limit is passed, at
---the timeout, and when the task is cancelled.
---@async
---@param options kio.ProcessRunOptions
---@return {stdout: string?, stderr: string?, code: integer?, signal: string?}|nil result
---@return string? message
---@return string? code
function process.run(options, ...)
  check.no_more(1, "run", ...)
  options = check.copy(options)
  local argv = arguments(options)
  check_keys(options, RUN)
  local input, timeout = options.stdin, options.timeout
  if type(input) ~= "string" then input = nil end
  check_limits(options)
  local child, message, code = start(for_spawn(options, input), argv)
  if not child then return nil, message, code end
  local result, why, errname
  if timeout == nil then result, why, errname = run(child, options, input)
  else result, why, errname = core.timeout(timeout, run, child, options, input) end
  if errname == "ETIMEDOUT" then why = string.format("run %s: the timeout has passed", argv[1]) end
  if why and child.runs_on then why = why .. "; " .. child.runs_on end
  return result, why, errname
end

return process
