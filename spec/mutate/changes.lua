-- The small wrong turns that a line of C can take: a comparison that is another one, a call that is
-- left out, a flag turned round. Only lines of function bodies; none that asserts or declares.
local source = require "spec.tidy.source"

local changes = {}

-- What is found in the code of a line (a pattern), and what stands there instead.
local SWAPS = {
  { " == ", " != " }, { " != ", " == " }, { " < ", " <= " }, { " <= ", " < " }, { " > ", " >= " },
  { " >= ", " > " }, { " < ", " >= " }, { " > ", " <= " }, { " && ", " || " }, { " || ", " && " },
  { " %+ ", " - " }, { " %- ", " + " }, { " %+ 1%f[%D]", "" }, { " %- 1%f[%D]", "" },
  { "%f[%w_]true%f[^%w_]", "false" }, { "%f[%w_]false%f[^%w_]", "true" },
  { "!%f[%a_]", "" }, { " | [%w_]+", "" }, { " & ~?[%w_]+", "" }, { " |= ", " = " },
  { "%+%+", "--" }, { "%-%-", "++" }, { " %+= ", " -= " }, { " %-= ", " += " },
  { "%f[%w_.]0%f[^%w_.]", "1" }, { "%f[%w_.]1%f[^%w_.]", "0" },
  { "%f[%w_]break;", "continue;" }, { "%f[%w_]continue;", "break;" },
}

-- A line that is a whole statement and can be left out.
local STATEMENTS = {
  "^%s+[%a_][%w_]*%(.*%);$", "^%s+[%a_][%w_%.%->%[%]]* [|&+%-]?= .*;$",
  "^%s+if %(.*%) return[^;]*;$", "^%s+if %(.*%) [%a_][%w_]*%(.*%);$", "^%s+[%a_][%w_%.%->]*%+%+;$",
}

local NEVER = {
  "kio_assert", "static_assert", "%f[%w_]static%f[^%w_]", "^%s*case ", "kio_log", "luaL_checkstack",
}

local function skipped(code)
  for _, pattern in ipairs(NEVER) do
    if code:find(pattern) then return true end
  end
end

local function with(list, line, first, last, new)
  list[#list + 1] = line:sub(1, first - 1) .. new .. line:sub(last + 1)
end

local function balanced(code)
  local _, open = code:gsub("%(", "")
  local _, shut = code:gsub("%)", "")
  return open == shut
end

-- Everything a line can become; `code` is the line without its strings and comments.
function changes.of(line, code)
  local list = {}
  if skipped(code) then return list end
  for _, swap in ipairs(SWAPS) do
    local from = 1
    while true do
      local first, last = code:find(swap[1], from)
      if not first then break end
      with(list, line, first, last, swap[2])
      from = last + 1
    end
  end
  local bare = code:gsub("%s+$", "")
  for _, pattern in ipairs(STATEMENTS) do
    if bare:find(pattern) and balanced(bare) then
      with(list, line, #bare:match("^%s*") + 1, #bare, ";")
      break
    end
  end
  return list
end

-- All lines of these files that can change: { path =, line =, text =, list = }.
function changes.places(paths)
  local places = {}
  for _, path in ipairs(paths) do
    local text = source.read(path)
    local lines, codes = source.lines(text), source.lines(source.strip_c(text))
    for _, f in ipairs(source.c_functions(text)) do
      for n = f.first + 1, f.last - 1 do
        local list = changes.of(lines[n], codes[n] or "")
        if list[1] then
          places[#places + 1] = { path = path, line = n, text = lines[n], list = list }
        end
      end
    end
  end
  return places
end

-- The mutants of a seed, in order: { path =, line =, before =, after = }, no two alike.
function changes.choose(paths, random, count)
  local places, chosen, seen = changes.places(paths), {}, {}
  for _ = 1, count * 20 do
    if #chosen == count then break end
    local place = places[random(#places)]
    local after = place.list[random(#place.list)]
    local key = place.path .. place.line .. after
    if not seen[key] then
      seen[key] = true
      chosen[#chosen + 1] = {
        path = place.path, line = place.line, before = place.text, after = after,
      }
    end
  end
  return chosen
end

return changes
