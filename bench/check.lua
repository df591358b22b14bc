-- The bounds that kio must keep, for a person to run on a quiet machine; never a timed test.
local check = {}

local RATIO_MAX <const> = 1.15         -- of the CPU of raw io_uring, at 50x64
local INSTRUCTIONS_MAX <const> = 3000  -- in user space per echoed request
local IDLE_MAX <const> = 3072           -- bytes per idle connection
local MESSAGES_MIN <const> = 8          -- messages/s, times raw io_uring with a send for each
local BOUND_MIN <const> = 0.65          -- and of the one that echoes whole chunks
local ENTRIES_MAX <const> = 0.05        -- system calls per message
local SPREAD_MAX <const> = 0.1         -- between the quartiles of the yardstick against itself

-- What the check needs to have run.
check.scenarios = { "50x64", "messages", "instructions", "message-entries", "idle" }
check.servers = { "uring-again", "uring-chunks", "epoll", "kio" }
check.rounds = 30

local function ratio_of(figures, name)
  local f = figures["50x64"][name]
  return f and f.ratio and f.ratio.median
end

-- A sentence when the yardstick against itself scatters too much for the ratios to mean anything.
function check.noise(figures)
  local control = figures["50x64"]["uring-again"]
  local r = control and control.ratio
  if not r then return nil end
  local quiet = r.high - r.low <= SPREAD_MAX and math.abs(r.median - 1) <= SPREAD_MAX / 2
  if quiet then return nil end
  return ("raw io_uring against itself is %.2f [%.2f-%.2f]: "
    .. "too noisy now for the bounds on CPU"):format(r.median, r.low, r.high)
end

local function expect_messages(figures, expect)
  local f, entries = figures.messages.kio or {}, figures["message-entries"].kio
  if not (f.speed and f.of_bound and entries) then
    expect(false, "the messages could not be measured")
    return
  end
  expect(f.speed >= MESSAGES_MIN, "%.1f times the messages/s of raw io_uring, below %g", f.speed,
    MESSAGES_MIN)
  expect(f.of_bound >= BOUND_MIN, "%.2f of the messages/s of whole chunks, below %g", f.of_bound,
    BOUND_MIN)
  expect(entries <= ENTRIES_MAX, "%.3f system calls per message, above %g", entries, ENTRIES_MAX)
end

-- A list of sentences about the bounds that are not kept; empty when all is well.
function check.failures(figures)
  local kio, epoll = ratio_of(figures, "kio"), ratio_of(figures, "epoll")
  local instructions, idle = figures.instructions.kio, figures.idle.kio
  if not (kio and epoll and instructions and idle) then
    return { "kio, epoll, the instruction count or the memory could not be measured" }
  end
  local failures = {}
  local function expect(ok, sentence, ...)
    if not ok then failures[#failures + 1] = sentence:format(...) end
  end
  expect(kio <= RATIO_MAX, "kio's CPU per request is %.2f of raw io_uring's, above %.2f", kio,
    RATIO_MAX)
  expect(kio < epoll, "kio's CPU per request (%.2f) is not below epoll's (%.2f)", kio, epoll)
  expect(instructions <= INSTRUCTIONS_MAX, "kio takes %.0f instructions per request, above %d",
    instructions, INSTRUCTIONS_MAX)
  expect_messages(figures, expect)
  expect(idle <= IDLE_MAX, "an idle connection holds %.0f bytes, above %d", idle, IDLE_MAX)
  return failures
end

return check
