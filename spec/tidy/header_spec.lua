-- A header is the manual of its room: every function in it has a contract, and somebody else calls
-- it.
local source = require "spec.tidy.source"

local HEADERS = "^csrc/.*%.h$"

-- The functions a header declares without defining them: list of { name, line }.
local function declared(lines)
  local list = {}
  for n, line in ipairs(lines) do
    local name = line:match("^[%a_][%w_ %*]-[ %*](kio_[%w_]+)%(")
    local other = line:match("^static ") or line:match("^typedef ") or line:match("^_Noreturn ")
    if name and not other then list[#list + 1] = { name = name, line = n } end
  end
  return list
end

-- A declaration may stand under a comment of its own, or share that of the one right above it.
local function has_contract(lines, n)
  local above = lines[n - 1]
  return lines[n]:find("/*", 1, true) or above:find("%*/$") or above:find(";$")
    or above:find("; +/%*")
end

-- A contract is read alone: found by grep, shown by an editor. It names what it refers to.
local BACK = { "The same", "Likewise", "Those ", "These ", "It ", "That one" }

local function refers_back(line)
  for _, words in ipairs(BACK) do
    if line:sub(1, #words + 3) == "/* " .. words then return true end
  end
end

-- Every word of the C files, and how often it is in which of them.
local function words()
  local where = {}
  for _, path in ipairs(source.files("%.[ch]$")) do
    for word in source.strip_c(source.read(path)):gmatch("kio_[%w_]+") do
      where[word] = where[word] or {}
      where[word][path] = (where[word][path] or 0) + 1
    end
  end
  return where
end

-- Whether a file that is neither the header nor the one that defines it names the function, or an
-- inline function of the header does.
local function used_elsewhere(counts, header)
  local others = counts[header] - 1
  for path in pairs(counts) do
    if path ~= header then others = others + 1 end
  end
  return others > 1
end

describe("a header", function()
  it("has a contract for every function", function()
    local bare, count = {}, 0
    for _, path in ipairs(source.files(HEADERS)) do
      local lines = source.lines(source.read(path))
      for _, f in ipairs(declared(lines)) do
        count = count + 1
        if not has_contract(lines, f.line) then bare[#bare + 1] = path .. ": " .. f.name end
      end
    end
    assert.is_true(count > 300, count .. " functions")
    assert.same({}, bare)
  end)

  it("has contracts that say what they are about", function()
    local found = {}
    for _, path in ipairs(source.files(HEADERS)) do
      for n, line in ipairs(source.lines(source.read(path))) do
        if refers_back(line) then found[#found + 1] = ("%s:%d: %s"):format(path, n, line) end
      end
    end
    assert.same({}, found)
  end)

  it("declares what other files call", function()
    local where, unused = words(), {}
    for _, path in ipairs(source.files(HEADERS)) do
      for _, f in ipairs(declared(source.lines(source.read(path)))) do
        local used = used_elsewhere(where[f.name], path)
        if not used then unused[#unused + 1] = path .. ": " .. f.name end
      end
    end
    assert.same({}, unused)
  end)
end)
