-- Busted's command line as a plain Lua file: the executable of some distributions is a shell
-- script, and the sanitizers must be preloaded into the interpreter itself.
if _VERSION ~= "Lua 5.4" then
  package.path = "./?.lua;" .. package.path
  require("spec.runner.assigns").install()
end

local threads = math.tointeger(tonumber(os.getenv "KIO_THREADS"))
if threads then
  package.path = "./?.lua;" .. package.path
  require("spec.runner.workers").install(threads)
end

require "busted.runner" { standalone = false }
