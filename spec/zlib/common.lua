-- What specs of kio.zlib share.
local common = {}

-- kio.zlib; nil and why specs of it cannot run here.
function common.find()
  local found, zlib = pcall(require, "kio.zlib")
  if found then return zlib end
  local absent = tostring(zlib):find "kio.zlib needs"
  if absent then return nil, "kio.zlib is not built: it needs zlib" end
  error(zlib, 0)
end

-- Bytes that compress somewhat: words of a few letters, and runs.
function common.text(size, seed)
  local random = seed or 1
  local function next_random(n)
    random = (random * 1103515245 + 12345) % 2147483648
    return random // 65536 % n
  end
  local parts, length = {}, 0
  while length < size do
    local letter = string.char(97 + next_random(26))
    local part = next_random(8) == 0 and letter:rep(next_random(300)) or letter .. next_random(1000)
    parts[#parts + 1] = part
    length = length + #part
  end
  return table.concat(parts):sub(1, size)
end

-- Bytes that do not compress.
function common.noise(size)
  local file <close> = assert(io.open("/dev/urandom", "rb"))
  return file:read(size)
end

return common
