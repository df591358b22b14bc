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

-- Without the sanitizer's libraries, unless it is a Lua program that uses this build of kio.
local function environment(lua)
  if not lua then return { LD_PRELOAD = false } end
  return {
    LUA_PATH = "./lua/?.lua;./lua/?/init.lua;./?.lua", ASAN_OPTIONS = "detect_leaks=0",
    LUA_CPATH = ("./build/%s/?.so"):format(support.build),
  }
end

-- Starts a command. Its input is a file, `options.input`; or the process' field `input` when that
-- is true; or empty. With `options.lua` it is a Lua program that uses kio.
function peers.start(command, options)
  options = options or {}
  local input = options.input == true and "pipe" or "null"
  local file <close> = type(options.input) == "string" and assert(kio.fs.open(options.input)) or nil
  local child = assert(kio.process.spawn {
    "sh", "-c", "exec " .. command, env = environment(options.lua),
    stdin = file or input, stdout = "pipe", stderr = "stdout",
  })
  return setmetatable({
    command = command, child = child, pid = child.pid, input = child.stdin, output = child.stdout,
  }, Process)
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

function Process:kill(signal) self.child:kill(signal) end

-- Waits for its end: the rest of what it printed, and its exit status, or the signal's name.
function Process:wait()
  if self.input then self.input:close() end
  local text = assert(self.output:read "a")
  local status = assert(self.child:wait())
  self.child:close()
  self.ended = true
  return text, status.code or status.signal
end

-- One that a failed test leaves behind.
function Process:__close() self.child:close() end

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
-- `tls`: a context.
function peers.serving(handler, f, address, tls)
  local listener = assert(kio.net.listen(address or "127.0.0.1:0"))
  local failure
  kio.scope(function(scope)
    local serving = scope:spawn(listener.serve, listener, handler, {
      drain_timeout = 1,
      tls = tls,
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
function peers.size(usual)
  return usual // support.scale { full = 1, test = 4, rest = 64 }
end

return peers
