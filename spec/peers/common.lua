-- Real programs at the other end: started in a test's run, read through kio, ended by their ids.
local support = require "spec.support"
local kio = require "kio"

local peers = {}

local LIMIT = 40 -- seconds that a test may take; far more than one needs

local function quote(word) return "'" .. word:gsub("'", "'\\''") .. "'" end
peers.quote = quote

local function have(program)
  return os.execute(("command -v %s >/dev/null 2>&1"):format(quote(program)))
end

-- Ends a test that needs programs which are not installed with the reason, by busted's `pending`.
function peers.need(pending, ...)
  for _, program in ipairs { ... } do
    if not have(program) then pending(program .. " is not installed") end
  end
end

-- Runs f as a main task that must end in time.
function peers.run(f)
  support.run(function()
    local done, message = kio.timeout(LIMIT, function()
      f()
      return true
    end)
    assert(done, message)
  end)
end

local Process = {}
Process.__index = Process

-- The shell tells its id, becomes the program, and another one tells how it ended. Both the output
-- and the input that is asked for are fifos, which wait for their other end to open.
local SCRIPT = "sh -c %s <%s >%s 2>/dev/null &"
local INNER = "sh -c %s; printf '\\nstatus %%d\\n' $?"

-- Starts a command, without the sanitizer's libraries unless `options.lua` is set: then it is a Lua
-- program that uses this build of kio. Its input is `options.input`, a path; or a fifo whose other
-- end is the process' field `input` when that is true; or empty.
function peers.start(command, options)
  options = options or {}
  local folder = support.tmpdir()
  local output, input = folder .. "/output", options.input or "/dev/null"
  if input == true then input = folder .. "/input" end
  assert(os.execute(("mkfifo %s/output %s/input"):format(folder, folder)))
  local environment = "unset LD_PRELOAD; "
  if options.lua then
    local path, cpath = "./lua/?.lua;./lua/?/init.lua;./?.lua", "./build/%s/?.so"
    environment = ("export LUA_PATH=%s LUA_CPATH=%s ASAN_OPTIONS=detect_leaks=0; "):format(
      quote(path), quote(cpath:format(support.flavour)))
  end
  local inner = INNER:format(quote(environment .. "echo $$; exec 2>&1 " .. command))
  assert(os.execute(SCRIPT:format(quote(inner), quote(input), output)))
  local process = setmetatable({ command = command }, Process)
  if options.input == true then process.input = assert(kio.fs.open(input, "w")) end
  process.output = assert(kio.fs.open(output, "r"))
  process.pid = assert(tonumber(process.output:read "l"), command)
  return process
end

-- The next line it prints that matches, and what the pattern captures.
function Process:expect(pattern)
  local seen = {}
  for line in self.output:lines() do
    if line:find(pattern) then return line:match(pattern) end
    seen[#seen + 1] = line
  end
  error(("%s: no line matches %q in:\n%s"):format(self.command, pattern, table.concat(seen, "\n")))
end

function Process:kill(signal)
  os.execute(("kill -%s %d 2>/dev/null"):format(signal or "TERM", self.pid))
end

-- Waits for its end: the rest of what it printed, and its exit status, above 128 after a signal.
function Process:wait()
  if self.input then self.input:close() end
  local rest = self.output:read "a"
  self.output:close()
  self.ended = true
  local text, status = rest:match("^(.-)\n?status (%d+)\n$")
  return text, tonumber(status)
end

-- One that a failed test leaves behind.
function Process:__close()
  if self.ended then return end
  self:kill "KILL"
  if self.input then self.input:close() end
  self.output:close()
end

-- Runs a command to its end; what it printed. Any exit status but `options.status` is an error.
function peers.output(command, options)
  local process <close> = peers.start(command, options)
  local text, status = process:wait()
  local wanted = options and options.status or 0
  if status ~= wanted then error(("%s: exit status %s: %s"):format(command, status, text), 2) end
  return text
end

-- A connection to a server that may not listen yet.
function peers.connect(address)
  local stream, message, code
  for _ = 1, 1000 do
    stream, message, code = kio.net.connect(address)
    if code ~= "ECONNREFUSED" and code ~= "ENOENT" then break end
    kio.sleep(0.01)
  end
  return assert(stream, message)
end

-- Serves a new listener with `handler` while f(address) runs. An error of either ends both.
function peers.serving(handler, f, address)
  local listener = assert(kio.net.listen(address or "127.0.0.1:0"))
  local failure
  kio.scope(function(scope)
    local serving = scope:spawn(listener.serve, listener, handler, {
      drain_timeout = 1,
      on_error = function(err)
        failure = failure or err
        scope:cancel "a handler failed"
      end,
    })
    f(listener:address())
    listener:close()
    serving:await()
  end)
  if failure then error(failure, 0) end
end

-- n bytes among which a lost, doubled or displaced one shows.
function peers.bytes(n)
  local parts, size, i = {}, 0, 0
  while size < n do
    i = i + 1
    local part = ("%d:"):format(i) .. string.char(i % 256):rep(i % 997)
    parts[i], size = part, size + #part
  end
  return table.concat(parts):sub(1, n)
end

function peers.file(data)
  local path = support.tmpdir() .. "/data"
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(data))
  return path
end

function peers.content(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

-- By flavour: hostile buffers of a few bytes and sanitizers are slow.
function peers.size(usual) return support.flavour == "test" and usual or usual // 64 end

return peers
