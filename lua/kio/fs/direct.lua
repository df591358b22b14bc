---What O_DIRECT asks of offsets, sizes and memory; checked here because the kernel's EINVAL does
---not say which of them was wrong.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local core = require "kio.core"

local direct = {}

direct.NO_STRINGS = "a file opened with 'direct' takes aligned buffers only (read_into, write)"

local USUAL = 4096 -- good for every device, where the kernel or the filesystem does not say

---The rules of an open file: { memory =, offset = }.
function direct.rules(fd)
  local stat = core.statx(fd, "", core.const.AT_EMPTY_PATH) or {}
  local memory, offset = stat.direct_memory or 0, stat.direct_offset or 0
  return { memory = memory > 0 and memory or USUAL, offset = offset > 0 and offset or USUAL }
end

---What is wrong with moving `size` bytes between place `at` of a buffer and this offset; nil when
---nothing is, or the file has no rules.
function direct.wrong(rules, buffer, at, size, offset)
  if not rules then return nil end
  if not check.is_buffer(buffer) then return direct.NO_STRINGS end
  if offset % rules.offset ~= 0 then
    return string.format("direct access at offset %d, which is no multiple of %d", offset,
      rules.offset)
  elseif size % rules.offset ~= 0 then
    return string.format("direct access to %d bytes, which is no multiple of %d", size,
      rules.offset)
  elseif not buffer:slice(at):aligned(rules.memory) then
    return string.format("direct access with bytes that do not begin at a multiple of %d in memory",
      rules.memory)
  end
end

return direct
