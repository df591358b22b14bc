-- An initramfs: a cpio archive in its format newc (cpio(5)), packed from files of this machine.
local Image = {}
Image.__index = Image

local DIRECTORY, FILE, LINK = 0x4000, 0x8000, 0xa000
local HEAD = "070701" .. ("%08X"):rep(13)

local function padding(size) return ("\0"):rep(-size % 4) end

function Image.new() return setmetatable({ parts = {}, known = {}, count = 0 }, Image) end

local function entry(self, name, mode, data)
  self.count = self.count + 1
  local head = HEAD:format(self.count, mode, 0, 0, 1, 0, #data, 0, 0, 0, 0, #name + 1, 0)
    .. name .. "\0"
  table.insert(self.parts, head .. padding(#head) .. data .. padding(#data))
end

-- The folders on the way to that name.
local function folders(self, name)
  for folder in name:gmatch("()/") do
    local path = name:sub(1, folder - 1)
    if not self.known[path] then entry(self, path, DIRECTORY | 0x1ed, "") end
    self.known[path] = true
  end
end

-- A file of that name (without a slash in front) with that content, which may be run.
function Image:add(name, data)
  if self.known[name] then return end
  self.known[name] = true
  folders(self, name)
  entry(self, name, FILE | 0x1ed, data)
end

function Image:link(name, target)
  folders(self, name)
  entry(self, name, LINK | 0x1ff, target)
end

function Image:copy(name, path)
  local file <close> = assert(io.open(path, "rb"))
  self:add(name, file:read "a")
end

-- The program or library at that path, and the libraries that it needs, where it looks for them.
function Image:program(name, path)
  self:copy(name, path)
  local pipe <close> = assert(io.popen("ldd " .. path))
  for line in pipe:lines() do
    local library = line:match("(/%S+) %(0x")
    if library then self:copy(library:sub(2), library) end
  end
end

-- Writes the archive.
function Image:save(path)
  entry(self, "TRAILER!!!", 0, "")
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(table.concat(self.parts)))
end

return Image
