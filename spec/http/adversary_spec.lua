-- What no peer and no program should do: a body that comes byte by byte, waits that are given up in
-- the middle.
-- flavours: test asan
local body = require "kio.http.body"
local common = require "spec.http.server.common"
local kio = require "kio"
local multipart = require "kio.http.multipart"
local support = require "spec.support"

local POST <const> = "POST / HTTP/1.1\r\nHost: a\r\n"

local function it_runs(name, f) it(name, function() support.run(f) end) end

describe("a body that comes byte by byte", function()
  local SIZE <const> = 5000

  local function reader(text)
    local at = 0
    return body.over(nil, { ended = false }, function(_, raw)
      at = at + 1
      raw.ended = at >= #text
      return at <= #text and text:sub(at, at) or nil
    end, 1)
  end

  -- Kilobytes that f has allocated.
  local function allocated(f, ...)
    collectgarbage()
    collectgarbage "stop"
    local before = collectgarbage "count"
    f(...)
    local after = collectgarbage "count"
    collectgarbage "restart"
    return after - before
  end

  it("is gathered in memory that grows as it does", function()
    local text = ("x"):rep(SIZE)
    for _, format in ipairs { SIZE, "l", "L", "a" } do
      local made = reader(text)
      assert.is_true(allocated(function() assert(made:read(format) == text) end) < SIZE)
    end
  end)

  it("is read by lines and counts as if it had come at once", function()
    local made = reader "ab\ncd\n\nefg"
    assert.same({ "ab", "cd\n", "\ne", "fg" },
      { made:read "l", made:read "L", made:read(2), made:read "l" })
    assert.is_nil(made:read "l")
    assert.is_nil(made:read(1))
    assert.equal("", made:read "a")
  end)
end)

describe("a wait that is given up", function()
  local function part_of(req)
    return req:multipart()()
  end

  local READS <const> = {
    ["the whole body"] = function(req) return function() return req:body() end end,
    ["a line"] = function(req) return function() return req:read "l" end end,
    ["a count"] = function(req) return function() return req:read(10) end end,
    ["a part of a form"] = function(req)
      local part
      return function()
        part = part or part_of(req)
        return part:read()
      end
    end,
  }

  for name, read in pairs(READS) do
    it_runs("loses nothing of " .. name, function()
      local is_form = name:find "form"
      local before = is_form and "--X\r\nContent-Disposition: form-data; name=a\r\n\r\n" or ""
      local after = is_form and "\r\n--X--" or ""
      local came, go_on = kio.sync.event(), kio.sync.event()
      local function handler(req)
        local take = read(req)
        local reading = kio.spawn(take)
        came:wait()
        for _ = 1, 50 do kio.yield() end
        reading:cancel()
        reading:join()
        go_on:set()
        return assert(take())
      end
      common.serving(handler, function(address)
        local stream <close> = common.connect(address)
        stream:write(POST, "Content-Type: multipart/form-data; boundary=X\r\nContent-Length: ",
          10 + #before + #after, "\r\n\r\n", before, "01234"):flush()
        came:set()
        go_on:wait()
        stream:write("56789", after)
        local _, _, text = common.answer(stream)
        assert.equal("0123456789", text)
      end)
    end)
  end

  it("loses nothing of a part that is larger than the parser keeps", function()
    support.run(function()
      local function letters(letter) return letter:rep(100) end
      local pieces = { "--X\r\n\r\n" .. letters "a", letters "b", letters "c" .. "\r\n--X--" }
      local parts = multipart.read(function()
        kio.yield()
        return table.remove(pieces, 1)
      end, "X")
      local part = parts()
      local task = kio.spawn(part.read, part)
      for _ = 1, 2 do kio.yield() end
      task:cancel()
      task:join()
      local text = part:read()
      assert.equal(letters "a" .. letters "b" .. letters "c", text)
      assert.equal(300, part.size)
    end)
  end)
end)

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
