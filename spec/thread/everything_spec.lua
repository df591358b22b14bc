-- flavours: tsan
-- timeout: 240
-- The specs of the suite side by side: four threads, each with a Lua state and runs of its own,
-- take one file after the other. Whatever two of them do to each other is a failure here, and what
-- they share without order is told by ThreadSanitizer. Every second file, others in each run; with
-- KIO_FULL=1 all.
local kio = require "kio"
local lfs = require "lfs"
local support = require "spec.support"

local THREADS <const> = 4

-- Files and tests that look at what all threads of a process have together.
local LEFT_OUT = {
  { "^spec/process/signal/", "signals" },
  { "^spec/net/serve/drain_spec", "signals" },
  { "^spec/bytes/busy_spec.* whatever becomes of the buffer", "how many blocks there are" },
  { "^spec/fs/whole_spec", "the working directory" },
  { "^spec/run/check/memory_spec", "how many blocks there are" },
  { "^spec/fs/open_spec.* closes when it is collected", "descriptors" },
  { "^spec/net/fds_spec.* max_fds", "descriptors" },
  { "^spec/net/listener_spec.* closing a listener", "descriptors" },
  { "^spec/op/file_close_now_spec", "descriptors" },
  { "^spec/op/number_spec", "descriptors" },
  { "^spec/op/socket_.* what the kernel refuses", "descriptors" },
  { "^spec/op/wait_end_spec", "descriptors" },
  { "^spec/ring/request_spec", "descriptors" },
  { "^spec/run/testing/faults_spec.* has closed all the same", "descriptors" },
  { "^spec/ring/sim_spec.* says what nobody knows", "how many scripts there are" },
}

-- The others start threads by themselves, or processes, or take long.
local FOLDERS = {
  "bytes", "fault", "fs", "net", "net/serve", "op", "ring", "run", "run/check", "run/inspect",
  "run/testing", "sync", "task", "task/scope",
}

local function is_left_out(what)
  for _, entry in ipairs(LEFT_OUT) do
    if what:find(entry[1]) then return true end
  end
  return false
end

-- The flavours a file names; nil: all.
local function flavours_of(path)
  local n = 0
  for line in io.lines(path) do
    n = n + 1
    local named = line:match("^%-%- flavours: (.*)$")
    if named or n > 12 then return named end
  end
end

-- What ThreadSanitizer bears: no programs are started, no functions left a million times.
local function files()
  local list = {}
  for _, folder in ipairs(FOLDERS) do
    for name in lfs.dir("spec/" .. folder) do
      local path = ("spec/%s/%s"):format(folder, name)
      local flavours = path:match("_spec%.lua$") and (flavours_of(path) or "tsan") or ""
      if flavours:find("tsan") and not is_left_out(path) then list[#list + 1] = path end
    end
  end
  return list
end

-- So many of the list, drawn at random.
local function some(list, count)
  for i = 1, count do
    local k = math.random(i, #list)
    list[i], list[k] = list[k], list[i]
  end
  return table.move(list, 1, count, 1, {})
end

describe("the suite", function()
  it("passes with four files at a time in one process", function()
    local paths = files()
    assert.is_true(#paths > 50)
    paths = some(paths, support.scale { full = #paths, rest = #paths // 2 })
    support.run(function()
      local queue = kio.thread.channel(#paths)
      for _, path in ipairs(paths) do assert(queue:try_send(path)) end
      queue:close()
      local function take_files()
        local beside = require "spec.thread.beside"
        local failures, ran = {}, 0
        beside.without_counts()
        for path in queue.try_receive, queue do
          ran = ran + beside.run(path, failures, function(name)
            return is_left_out(path .. ": " .. name)
          end)
        end
        return ran, failures
      end
      local jobs, total = {}, 0
      for i = 1, THREADS do jobs[i] = kio.spawn_blocking(take_files) end
      for _, job in ipairs(jobs) do
        local ran, failures = job:await()
        assert.equal("", table.concat(failures, "\n"))
        assert.is_true(ran > 0)
        total = total + ran
      end
      assert.is_true(total > 250)
    end, { blocking_threads = THREADS })
  end)
end)
