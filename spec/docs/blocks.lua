-- The Lua blocks of a Markdown page as programs: what they should print, and what they do print.
local blocks = {}

-- A list of { line = of its first line, text =, expected = list of lines }.
function blocks.of(path)
  local list, current, n = {}, nil, 0
  for line in io.lines(path) do
    n = n + 1
    if current and line == "```" then
      current.text = table.concat(current, "\n")
      current = nil
    elseif current then
      current[#current + 1] = line
      current.expected[#current.expected + 1] = line:match("%-%-> ?(.*)$")
    elseif line == "```lua" then
      current = { line = n + 1, expected = {} }
      list[#list + 1] = current
    end
  end
  return list
end

local function words(...)
  local list = table.pack(...)
  for i = 1, list.n do list[i] = tostring(list[i]) end
  return table.concat(list, " ")
end

-- Pages are run by several processes at once, and an abstract name belongs to the whole machine: in
-- each process it gets an ending of its own.
local SHOWN, OWN = "@kio%-doc", "@kio_doc_" .. tostring({}):match("0x%x+")

-- Runs a block with `globals` beside Lua's own; the lines it printed.
function blocks.run(path, block, globals)
  local lines = {}
  local env = setmetatable({}, { __index = _G })
  for name, value in pairs(globals) do env[name] = value end
  function env.print(...) lines[#lines + 1] = (words(...):gsub(OWN, "@kio-doc")) end
  local chunk = ("\n"):rep(block.line - 1) .. block.text:gsub(SHOWN, OWN)
  assert(load(chunk, "@" .. path, "t", env))()
  return lines
end

return blocks
