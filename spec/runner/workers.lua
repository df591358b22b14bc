-- KIO_THREADS=n: kio.run in the specs has so many workers, unless it is told how many, or runs on a
-- ring or a clock that knows one thread only.
local lfs = require "lfs"

local workers = {}

local function with_more(options, threads)
  local new = {}
  for name, value in pairs(options or {}) do new[name] = value end
  if new.threads or new.testing or new.backend == "sim" then return options end
  new.threads = threads
  return new
end

local function wrap(kio, threads)
  local run = kio.run
  function kio.run(main, options, ...)
    local table_given = options == nil or type(options) == "table"
    return run(main, table_given and with_more(options, threads) or options, ...)
  end
  return kio
end

-- A spec may change the working directory before its workers look for kio.
local function absolute()
  local here = lfs.currentdir():gsub("%%", "%%%%")
  for _, which in ipairs { "path", "cpath" } do
    package[which] = (";" .. package[which]):gsub(";%./", ";" .. here .. "/"):sub(2)
  end
end

-- From now on `require "kio"` gives it so.
function workers.install(threads)
  table.insert(package.searchers, 2, function(name)
    if name ~= "kio" then return nil end
    absolute()
    local path = assert(package.searchpath(name, package.path))
    return function() return wrap(assert(loadfile(path))(name, path), threads) end
  end)
end

return workers
