-- Busted output handler that writes one Lua table per line to the file KIO_REPORT names, so that
-- what a spec prints cannot be taken for a result. A test's line is held back until the next one
-- starts: what fails after it (after_each, the world check) is still that test's failure.
local busted = require "busted"
local base = require "busted.outputHandlers.base"()

local OF_TEST = { it = true, test = true, finally = true, after_each = true, pending = true }

local report, current

local function put(kind, name, text)
  local line = ("{ kind = %q, name = %q, text = %q }"):format(kind, name, text or "")
  assert(report:write((line:gsub("\\\n", "\\n"):gsub("\r", "\\r")), "\n"))
end

local function flush()
  if not current then return end
  put(current.kind, current.name, table.concat(current.texts, "\n"))
  current = nil
end

-- Every subscriber returns true, so that busted goes on to the next one.
local function test_start(element)
  flush()
  current = { kind = "passed", name = base.getFullName(element), texts = {} }
  put("start", current.name)
  return nil, true
end

local function test_end(_, _, status)
  local skipped = current and status == "pending" and current.kind == "passed"
  if skipped then current.kind = "skipped" end
  return nil, true
end

local function pending(_, _, message)
  if current then current.texts[#current.texts + 1] = tostring(message) end
  return nil, true
end

local function with_traceback(message, trace)
  local text = tostring(message)
  local traceback = type(trace) == "table" and trace.traceback
  if not traceback or text:find("world check", 1, true) then return text end
  return text .. "\n" .. traceback:gsub("^%s+", ""):gsub("%s+$", "")
end

local function failed(element, _, message, trace)
  local text = with_traceback(message, trace)
  if current and OF_TEST[element.descriptor] then
    current.kind = "failed"
    current.texts[#current.texts + 1] = text
  else
    flush()
    put("failed", ("%s (%s)"):format(base.getFullName(element), element.descriptor), text)
  end
  return nil, true
end

local function suite_end()
  flush()
  put("end", "suite")
  return nil, true
end

return function()
  report = assert(io.open(assert(os.getenv("KIO_REPORT"), "KIO_REPORT is not set"), "w"))
  report:setvbuf("line")
  return {
    subscribe = function()
      busted.subscribe({ "test", "start" }, test_start)
      busted.subscribe({ "test", "end" }, test_end)
      busted.subscribe({ "pending" }, pending)
      busted.subscribe({ "failure" }, failed)
      busted.subscribe({ "error" }, failed)
      busted.subscribe({ "suite", "end" }, suite_end)
    end,
  }
end
