-- What the pages must say, whatever else they do: objects and their costs, how things grow, what
-- the end does to blocking jobs, servers on several cores, SQPOLL, containers.
-- flavours: test
-- without: lua55
local blocks = require "spec.docs.blocks"
local source = require "spec.tidy.source"

-- The cells of every table row in a page whose header has all these words: list of lists.
local function rows(page, ...)
  local list, header = {}, nil
  for _, line in ipairs(source.lines(source.read(page))) do
    local cells = {}
    for cell in line:gmatch "| ([^|]*)" do cells[#cells + 1] = cell:match "^%s*(.-)%s*$" end
    if not line:match "^|" then header = nil
    elseif not header then header = line
    elseif not line:match "^| %-%-%-" then
      local all = true
      for _, word in ipairs { ... } do all = all and header:find(word, 1, true) end
      if all then list[#list + 1] = cells end
    end
  end
  return list
end

-- The text of a page below a heading, up to the next one of its level.
local function section(page, heading)
  local text = "\n" .. source.read(page) .. "\n## "
  local found = text:match("\n##+ " .. heading .. "[^\n]*\n(.-)\n## ")
  return assert(found, page .. " has no section " .. heading)
end

describe("an object", function()
  it("has a row that tells how long it lives and what it costs", function()
    local list = rows("docs/operations.md", "lives", "costs")
    table.move(rows("docs/thread.md", "lives", "costs"), 1, 20, #list + 1, list)
    local first = {}
    for _, cells in ipairs(list) do
      first[#first + 1] = cells[1]
      for i = 2, #cells do assert.is_true(#cells[i] > 0, cells[1]) end
    end
    local text = table.concat(first, "\n")
    for _, word in ipairs {
      "run", "task", "scope", "deadline", "shield", "operation", "stream", "listener", "connection",
      "UDP", "packet", "file", "process", "watch", "mutex", "semaphore", "condition", "event",
      "waitgroup", "channel", "buffer", "signal", "worker", "runtime", "blocking job",
    } do
      assert.is_truthy(text:find("%f[%a]" .. word .. "%f[%A]"), word .. " has no row")
    end
  end)

  it("is told who may use it", function()
    assert.matches("%*%*Who may use them%.%*%*", source.read "docs/operations.md")
    assert.is_true(#rows("docs/thread.md", "used by") >= 4)
  end)
end)

describe("the pages", function()
  it("tell how things grow", function()
    local text = section("docs/operations.md", "What things cost")
    local _, count = text:match "How things grow(.*)":gsub("\n| [^|]+ | [^|]+ |", "")
    assert.is_true(count >= 7)
    for _, word in ipairs { "O%(log n%)", "constant", "O%(tasks" } do assert.matches(word, text) end
    assert.matches("size of the ring limits nothing", text) -- R5
  end)

  it("tell what the end does to blocking jobs", function()
    local text = section("docs/thread.md", "The end")
    assert.matches("| a blocking job that has not begun |", text, 1, true)
    assert.matches("| a blocking job that runs |", text, 1, true)
    assert.matches("shutdown_timeout", text)
  end)

  it("show a server on several cores by reuseport", function()
    local shown
    for _, block in ipairs(blocks.of "docs/serve.md") do
      shown = shown or block.text:find("reuseport = true", 1, true) and block.text
    end
    assert.matches("kio.thread", shown)
    assert.matches("kio.run.*threads = ", shown)
    assert.matches("reuseport = true", source.read "examples/reuseport.lua")
  end)

  it("tell when SQPOLL helps, with numbers", function()
    local text = section("docs/operations.md", "busy_poll and sqpoll")
    assert.matches("| `sqpoll = true` | [%d,]+ |", text)
    assert.matches("Leave both off unless you have measured", text)
  end)

  it("tell how io_uring is allowed in containers, and how one sees that it is not", function()
    local text = section("docs/install.md", "Containers")
    for _, word in ipairs { "Docker", "Podman", "Kubernetes", "seccomp", "io_uring_setup",
      "io_uring_enter", "io_uring_register" } do
      assert.is_truthy(text:find(word, 1, true), word)
    end
    local codes = section("docs/install.md", "Does it run here")
    for _, word in ipairs { "EPERM", "ENOSYS", "ENOMEM" } do
      assert.is_truthy(codes:find(word, 1, true), word)
    end
  end)
end)
