-- What no peer should do.
-- flavours: test asan

describe("what peers send", function()
  -- From each place it looks as far as the white space goes, and then begins again.
  it("is read by no pattern that takes the square of its length", function()
    local pipe <close> = assert(io.popen "grep -rnE '\\(\\.-\\)(%s|\\[ \\\\t\\])[*+]\\$' lua")
    assert.equal("", pipe:read "a")
  end)

  it("is trimmed", function()
    local trim = require "kio.http.trim"
    for text, trimmed in pairs {
      [""] = "", ["  \t "] = "", a = "a", [" a b\t"] = "a b", ["\na "] = "\na", ["a\0 "] = "a\0",
    } do
      assert.equal(trimmed, trim(text))
    end
  end)
end)
