-- What must be refused, each with its status and the rule: where one program reads another request
-- than the one in front of it. The cases are in spec/http/smuggling.lua.
-- flavours: test asan
require "kio"
local smuggling = require "spec.http.smuggling"
local wire = require "spec.http.wire"

local function shown(text) return ("%q"):format(text:sub(1, 200)):gsub("\\\n", "\\n") end

describe("a head that could be read in two ways", function()
  for _, case in ipairs(smuggling.HEADS) do
    local bytes, status, words = table.unpack(case)
    if status then
      it("is refused: " .. shown(bytes), function()
        local head, message, code, given, rest = wire.request(bytes .. "\r\n")
        assert.is_nil(head)
        assert.matches("^read_request 127%.0%.0%.1:%d+: ", message)
        assert.matches(words, message)
        assert.same({ "EPROTO", status }, { code, given })
        assert.equal(bytes .. "\r\n", rest) -- nothing counts as read
      end)
    else
      it("is read: " .. shown(bytes), function() assert(wire.request(bytes)) end)
    end
  end
end)

describe("the framing of chunks that could be read in two ways", function()
  for _, case in ipairs(smuggling.CHUNKS) do
    local bytes, status, words = table.unpack(case)
    if status then
      it("is refused: " .. shown(bytes), function()
        local sent = smuggling.ENCODED .. bytes .. "GET /next HTTP/1.1\r\n\r\n"
        local body, message, _, given = wire.body(sent)
        assert.is_nil(body)
        assert.matches("^read_body 127%.0%.0%.1:%d+: ", message)
        assert.matches(words, message)
        assert.equal(status, given)
      end)
    else
      it("is read: " .. shown(bytes), function() assert(wire.body(smuggling.ENCODED .. bytes)) end)
    end
  end
end)
