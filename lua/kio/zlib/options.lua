---Options of deflaters, inflaters and whole calls, read and checked; the defaults.
local _ENV = require "kio.core".globals
local check = require "kio.check"

local options = {}

---@class kio.zlib.DeflateOptions
---@field format? "gzip"|"zlib"|"raw" ("gzip")
---@field level? integer 0 (stored) to 9 (smallest) (6)
---@field window? integer 9 to 15: it looks back 2^window bytes (15)
---@field memory? integer 1 to 9: 2^(memory + 9) bytes for what is under way (8)
---@field dictionary? string what the data are likely to contain; not with gzip

---@class kio.zlib.InflateOptions
---@field format? "auto"|"gzip"|"zlib"|"raw" "auto": one of gzip and zlib, as the data say ("auto")
---@field window? integer 9 to 15: what looks back further is refused (15)
---@field dictionary? string what the data were deflated with; not with gzip
---@field max? integer bytes out, all in all (no bound; of a whole call 64 MiB)
---@field ratio? number bytes out for each one in, beyond the first 64 KiB out (no bound)
---@field members? boolean gzip members that follow each other are one text (false)

---@alias kio.zlib.Where "auto"|"pool"|"loop" what computes: "auto": a thread of the pool, for what
---is large ("auto")

local DEFLATE = {
  format = "string", level = "number", window = "number", memory = "number", dictionary = "string",
}
local INFLATE = {
  format = "string", window = "number", dictionary = "string", max = "number", ratio = "number",
  members = "boolean",
}
local FORMATS = {
  deflate = { gzip = true, zlib = true, raw = true },
  inflate = { gzip = true, zlib = true, raw = true, auto = true },
}
local WHERE = { auto = true, pool = true, loop = true }

local DICTIONARY_MAX = 1 << 20 -- bytes; zlib looks at the last 32 KiB
options.WHOLE_MAX = 64 << 20

-- ---- checks ----

local function choice(given, name, index, call, among)
  if given == nil or among[given] then return given end
  local list = {}
  for each in pairs(among) do list[#list + 1] = string.format("%q", each) end
  table.sort(list)
  check.refuse(index, call, string.format("option '%s' must be %s", name,
    table.concat(list, " or ")))
end

local function within(given, name, index, call, low, high)
  if given == nil then return nil end
  local n = math.tointeger(given)
  if n and n >= low and n <= high then return n end
  check.refuse(index, call, string.format("option '%s' must be an integer from %d to %d", name, low,
    high))
end

local function check_dictionary(given, index, call)
  local dictionary = given.dictionary
  if not dictionary then return end
  if given.format == "gzip" then
    check.refuse(index, call, "option 'dictionary' goes with 'zlib' and 'raw', not with 'gzip'")
  elseif #dictionary > DICTIONARY_MAX then
    check.refuse(index, call, "option 'dictionary' is longer than 1 MiB")
  end
end

-- ---- both kinds, as the core takes them ----

local function known(of, whole)
  if not whole then return of end
  local all = check.copy(of)
  all.where = "string"
  return all
end

---@param given table|nil
---@param index integer the argument's number
---@param call string the public function
---@param whole boolean it may say `where`, too
---@return table arguments of core.deflate
---@return string where
function options.deflate(given, index, call, whole, ...)
  given = check.options(given, index, call, known(DEFLATE, whole), ...) or {}
  given.format = choice(given.format, "format", index, call, FORMATS.deflate) or "gzip"
  check_dictionary(given, index, call)
  return {
    given.format,
    within(given.window, "window", index, call, 9, 15) or 15,
    within(given.level, "level", index, call, 0, 9) or 6,
    within(given.memory, "memory", index, call, 1, 9) or 8,
    given.dictionary,
  }, choice(given.where, "where", index, call, WHERE) or "auto"
end

---The same for core.inflate.
function options.inflate(given, index, call, whole, ...)
  given = check.options(given, index, call, known(INFLATE, whole), ...) or {}
  given.format = choice(given.format, "format", index, call, FORMATS.inflate) or "auto"
  check_dictionary(given, index, call)
  if given.ratio and given.ratio < 1 then
    check.refuse(index, call, "option 'ratio' must be 1 or more")
  elseif given.members and given.format ~= "gzip" and given.format ~= "auto" then
    check.refuse(index, call, "option 'members' goes with 'gzip' and 'auto'")
  end
  local most = whole and options.WHOLE_MAX or math.maxinteger
  return {
    given.format,
    within(given.window, "window", index, call, 9, 15) or 15,
    within(given.max, "max", index, call, 0, math.maxinteger) or most,
    given.ratio or math.huge,
    given.members or false,
    given.dictionary,
  }, choice(given.where, "where", index, call, WHERE) or "auto"
end

return options
