-- An input is bytes for the codec's reader; the first one tells whether code, names and a handle
-- lie beside them, as in a parcel of this process.
local common = require "spec.codec.common"
local core = require "kio.core"
local kio = require "kio"

local unpack_list = table.unpack

local function genuine()
  local n, list = 0, {}
  local function up() n = n + 1 end
  local function get() return n, list end
  return common.pack(up, get, kio, string.format, print, kio.buffer "moves", list)
end

return function(data)
  local parcel
  if data:byte() == 1 then parcel = genuine() end
  local values = table.pack(core.codec_unpack(core.codec_parcel(data:sub(2), parcel)))
  if not values[1] then
    assert(type(values[2]) == "string", "a refusal without a message")
    return
  end
  local list = table.pack(unpack_list(values, 2, values.n))
  local again = core.codec_pack({ size = 1 << 24 }, unpack_list(list, 1, list.n))
  if not again then return end -- nested deeper by one function, or not comparable any more
  local back = table.pack(common.unpack(again))
  if parcel then return end -- a buffer has moved on: it is another one now
  assert(common.same(list, back), "it came back different")
end
