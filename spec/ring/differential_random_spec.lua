-- timeout: 180
-- flavours: test asan hostile
-- The same random programs on io_uring, on epoll and, where they do not splice, on the simulated
-- ring: each step has the same result. KIO_SEED=n runs that program alone, KIO_PROGRAMS=n so many.
local descriptors = require "spec.ring.random.descriptors"
local name_of = require "spec.unix_name"
local streams = require "spec.ring.random.streams"
local support = require "spec.support"

local COUNT = tonumber(os.getenv "KIO_PROGRAMS")
  or support.scale { full = 100000, test = 9000, asan = 500, hostile = 500, rest = 200 }
local BATCH <const> = 500 -- programs of one run
local FIRST = support.scale { test = 1, asan = 1000001, hostile = 2000001, rest = 3000001 }
local SEED = tonumber(os.getenv "KIO_SEED")

-- What programs first to last see there, by their numbers.
local function seen(kind, backend, first, last)
  local texts = {}
  local folder, address = support.tmpdir(), name_of()
  support.run(function()
    local shared = descriptors.open(folder, address)
    for seed = first, last do texts[seed] = kind.run(shared, seed) end
    descriptors.close(shared)
  end, { backend = backend })
  return texts
end

local function compare(kind, backend, count)
  local first, last = SEED or FIRST, SEED or FIRST + count - 1
  for from = first, last, BATCH do
    local to = math.min(from + BATCH - 1, last)
    local truth = seen(kind, "uring", from, to)
    local found = seen(kind, backend, from, to)
    for seed = from, to do
      assert.equal(truth[seed], found[seed], ("on %s, KIO_SEED=%d"):format(backend, seed))
    end
  end
end

describe("random programs", function()
  it("on descriptors see on epoll what they see on io_uring", function()
    compare(descriptors, "epoll", COUNT)
  end)

  it("on streams see on epoll what they see on io_uring", function()
    compare(streams, "epoll", COUNT // 4)
  end)

  it("on streams see on the simulated ring what they see on io_uring", function()
    compare(streams, "sim", COUNT // 8)
  end)
end)
