-- What kio does on the oldest kernel that has an io_uring for it, and on the one it was written
-- for: both booted here.
-- flavours: release
-- timeout: 600
local boot = require "spec.kernels.boot"

local KERNELS =
  { { suite = "bullseye", version = "5.10" }, { suite = "bookworm", version = "6.1" } }

local SCRIPT = [[
export LUA_PATH='/kio/?.lua;/kio/?/init.lua' LUA_CPATH='/kio/?.so'
cat /proc/sys/kernel/osrelease
for backend in auto epoll; do
  for program in smoke server; do
    KIO_BACKEND=$backend lua5.4 /kio/$program.lua
    echo "$program $backend ended with $?"
  done
done
]]

local FILES = { ["kio/smoke.lua"] = "spec/kernels/smoke.lua",
  ["kio/server.lua"] = "spec/kernels/server.lua" }

for _, kernel in ipairs(KERNELS) do
  describe("Linux " .. kernel.version, function()
    local console, why

    local function shows(pattern)
      if not console then return pending("the kernel cannot be booted here: " .. why) end
      assert.matches(pattern, console)
    end

    it("boots", function()
      console, why = boot.run(kernel.suite, SCRIPT, FILES)
      shows("%f[%d]" .. kernel.version:gsub("%.", "%%.") .. "%.%d+%-")
      shows "init: ended with 0\n"
    end)

    for backend, ring in pairs { auto = "uring", epoll = "epoll" } do
      it(("does every operation, backend = %q"):format(backend), function()
        shows(("smoke: %%d+ operations on %s\nsmoke %s ended with 0\n"):format(ring, backend))
      end)

      it(("serves, backend = %q"):format(backend), function()
        shows(("server: %%d+ clients on %s\nserver %s ended with 0\n"):format(ring, backend))
      end)
    end
  end)
end
