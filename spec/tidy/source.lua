-- Reads the project's own files for the tidy specs: which there are, their lines, and where the
-- functions of a C or Lua text begin and end.
local source = {}

local function capture(command)
  local pipe <close> = assert(io.popen(command))
  return pipe:read("a")
end
source.capture = capture

-- What git knows or would add; without git, what is in the folders of the project.
local LIST = "git ls-files -co --exclude-standard 2>/dev/null"
local WALK = "find . -path ./build -prune -o -path ./.git -prune -o -type f -print | sed 's|^./||'"

local all

function source.files(pattern)
  all = all or capture(LIST)
  if all == "" then all = capture(WALK) end
  local files = {}
  for path in all:gmatch("[^\n]+") do
    local there = path:match(pattern) and io.open(path)
    if there then
      there:close()
      files[#files + 1] = path
    end
  end
  table.sort(files)
  return files
end

function source.read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

function source.lines(text)
  local lines = {}
  for line in (text:gsub("\n$", "") .. "\n"):gmatch("(.-)\n") do lines[#lines + 1] = line end
  return lines
end

local function blank(text) return (text:gsub("[^\n]", " ")) end

-- The C text with comments, strings and preprocessor lines blanked; every line keeps its number.
function source.strip_c(text)
  local out, i = {}, 1
  for at in function() return text:find("[/\"']", i) end do
    local two, one = text:sub(at, at + 1), text:sub(at, at)
    local stop = at
    if two == "/*" then stop = select(2, text:find("*/", at + 2, true)) or #text
    elseif two == "//" then stop = (text:find("\n", at, true) or #text + 1) - 1
    elseif one ~= "/" then
      stop = at + 1
      while stop < #text and text:sub(stop, stop) ~= one do
        stop = stop + (text:sub(stop, stop) == "\\" and 2 or 1)
      end
    end
    local piece = text:sub(at, stop)
    out[#out + 1] = text:sub(i, at - 1) .. (stop > at and blank(piece) or piece)
    i = stop + 1
  end
  out[#out + 1] = text:sub(i)
  local stripped = "\n" .. table.concat(out)
  stripped = stripped:gsub("\\\n", " \1"):gsub("\n[ \t]*#[^\n]*", function(line)
    return "\n" .. line:sub(2):gsub("[^\1]", " ")
  end)
  return (stripped:sub(2):gsub("\1", "\n"))
end

-- The functions of a C text: a brace at top level that follows a closing parenthesis.
function source.c_functions(text)
  local found, depth, start, body, last = {}, 0, nil, nil, ""
  local function mark(char, n)
    start = start or n
    if char == "{" then
      if depth == 0 then body = last == ")" and start or nil end
      depth = depth + 1
    elseif char == "}" then
      depth = depth - 1
      if depth == 0 and body then found[#found + 1] = { first = body, last = n } end
    end
    last = char
    if depth == 0 then start = nil end
  end
  for n, line in ipairs(source.lines(source.strip_c(text))) do
    for words, char in line:gmatch "([^{};]*)([{};]?)" do
      local tail = words:match "(%S)%s*$"
      if tail then start, last = start or n, tail end
      if char ~= "" then mark(char, n) end
    end
  end
  return found
end

-- The functions of a Lua file, as the compiler sees them; the main chunk is none of them.
function source.lua_functions(path)
  local found = {}
  for first, last in capture("luac5.4 -l -p " .. path):gmatch("function <[^\n]-:(%d+),(%d+)>") do
    found[#found + 1] = { first = tonumber(first), last = tonumber(last) }
  end
  return found
end

return source
