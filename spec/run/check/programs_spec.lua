-- What people run first, where io_uring is refused: the README's program serves on epoll, and with
-- no ring at all it and every example end with an error. (That the examples do the same on epoll as
-- on io_uring is what the runner's flavours `eperm` and `enosys` are.)
-- flavours: test
-- without: epoll
-- timeout: 120
local lfs = require "lfs"
local blocks = require "spec.docs.blocks"
local child = require "spec.run.check.child"

local URING = "io_uring_setup,io_uring_enter,io_uring_register"

local function launcher(err, calls) return ("%s %s %s"):format(child.launcher(), err, calls) end

local function run(prefix, source, backend)
  local output, how, status = child.run(prefix, source, backend)
  if status == 77 then return pending("not possible here: " .. output) end
  return output, how, status
end

-- The README's program with one client; then what that has read, and the ring.
local SERVED = [[
package.path = "./?.lua;" .. package.path
local blocks, served = require "spec.docs.blocks", require "spec.docs.served"
local kio = require "kio"
local echoed
local fake = served(function(stream)
  assert(stream:send "hello")
  echoed = stream:recv()
end)
blocks.run("README.md", blocks.of("README.md")[1], { require = function() return fake end })
print(echoed, kio.check().backend)
]]

describe("the README's program", function()
  it("serves on io_uring where that is granted", function()
    assert.same({ "hello\turing\n", "exit", 0 }, { run("", SERVED, "auto") })
  end)

  for _, err in ipairs { "EPERM", "ENOSYS" } do
    it("serves on epoll where io_uring answers " .. err, function()
      assert.same({ "hello\tepoll\n", "exit", 0 }, { run(launcher(err, URING), SERVED, "auto") })
    end)
  end
end)

-- ---- no ring at all ----

local programs = { ["the README's program"] = blocks.of("README.md")[1].text }
for name in lfs.dir "examples" do
  if name:match "%.lua$" then
    programs[name] = ("package.path = './?.lua;' .. package.path arg = {} dofile 'examples/%s'")
      :format(name)
  end
end
local names = {}
for name in pairs(programs) do names[#names + 1] = name end
table.sort(names)

local refusals = {
  { "io_uring asked for, and refused", "EPERM", URING, "uring", "no io_uring here\n.*EPERM" },
  { "both refused", "ENOSYS", URING .. ",epoll_create1", "auto", "no epoll here\n.*ENOSYS" },
}

for _, refusal in ipairs(refusals) do
  local what, err, calls, backend, words = table.unpack(refusal)
  describe("with " .. what, function()
    for _, name in ipairs(names) do
      it(name .. " ends with an error", function()
        local output, how, status = run(launcher(err, calls), programs[name], backend)
        assert.same({ "exit", 1 }, { how, status }, output)
        assert.matches(words, output)
      end)
    end
  end)
end
