-- Libraries of busted's that were written for Lua 5.4 assign to the variables of their loops, which
-- 5.5 refuses. Here such a loop gets a local variable of that name.
local assigns = {}

local REFUSED = ":(%d+): attempt to assign to const variable '([%w_]+)'"

local function lines_of(path)
  local lines = {}
  for line in io.lines(path) do lines[#lines + 1] = line end
  return lines
end

-- Whether the line begins a loop with that variable; where its `do` is, then.
local function loop_at(line, name)
  local list, stop = line:match("^%s*for%s+(.-)%s+in%s.*%f[%w]do()%f[%W]")
  if not list then list, stop = line:match("^%s*for%s+(.-)%s*=.*%f[%w]do()%f[%W]") end
  for variable in (list or ""):gmatch("[%w_]+") do
    if variable == name then return stop end
  end
end

-- Changes the innermost loop before the line that assigns to its variable; whether there is one.
local function change(lines, number, name)
  for i = number, 1, -1 do
    local stop = loop_at(lines[i], name)
    if stop then
      lines[i] = ("%s local %s = %s %s"):format(lines[i]:sub(1, stop - 1), name, name,
        lines[i]:sub(stop))
      return true
    end
  end
end

-- The file's function; nil and why not.
function assigns.load(path)
  local f, message = loadfile(path)
  local number, name = (message or ""):match(REFUSED)
  local lines = number and lines_of(path)
  while number and change(lines, math.tointeger(tonumber(number)), name) do
    f, message = load(table.concat(lines, "\n"), "@" .. path)
    number, name = (message or ""):match(REFUSED)
  end
  return f, message
end

-- From now on `require` loads what it finds in such files.
function assigns.install()
  table.insert(package.searchers, 2, function(name)
    local path = package.searchpath(name, package.path)
    if not path or not path:find("/share/lua/", 1, true) then return nil end
    local f, message = assigns.load(path)
    return f or message, path
  end)
end

return assigns
