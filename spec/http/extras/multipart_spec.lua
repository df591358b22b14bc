-- Bodies of forms with files: their parts, at every cut; limits; what is none.
-- flavours: test asan
local multipart = require "kio.http.multipart"
local support = require "spec.support"

local function body(boundary, ...)
  local parts = {}
  for _, part in ipairs { ... } do
    parts[#parts + 1] = ("--%s\r\n%s\r\n\r\n%s\r\n"):format(boundary, part[1], part[2])
  end
  return table.concat(parts) .. "--" .. boundary .. "--\r\n"
end

local FORM = body("XX",
  { 'Content-Disposition: form-data; name="text"', "some words" },
  { 'Content-Disposition: form-data; name="up"; filename="C:\\\\dir\\\\a \\"b\\".txt"\r\n'
    .. "Content-Type: text/csv", "1\r\n--X\r\n--XY\r-\r\n" },
  { "content-disposition:form-data;name=bare", "" })
FORM = FORM:gsub("%-%-XY", "--X.") -- what begins as the boundary would be an error

-- A source that gives the text in pieces of these sizes, then the end.
local function source(text, ...)
  local sizes, at, i = { ... }, 1, 0
  return function()
    i = i + 1
    local size = sizes[i] or sizes[#sizes]
    if at > #text then return nil end
    local piece = text:sub(at, at + size - 1)
    at = at + size
    return piece
  end
end

local function collect(from, boundary, options)
  local found = {}
  for part in multipart.read(from, boundary, options) do
    local content = {}
    for piece in part:chunks() do content[#content + 1] = piece end
    found[#found + 1] = { part.name or "", part.filename or "", part.type, table.concat(content) }
  end
  return found
end

local EXPECTED = {
  { "text", "", "text/plain", "some words" },
  { "up", 'a "b".txt', "text/csv", "1\r\n--X\r\n--X.\r-\r\n" },
  { "bare", "", "text/plain", "" },
}

describe("a form with files", function()
  it("has its parts, however it comes", function()
    for size = 1, #FORM do assert.same(EXPECTED, collect(source(FORM, size), "XX")) end
    for cut = 1, #FORM - 1 do assert.same(EXPECTED, collect(source(FORM, cut, #FORM), "XX")) end
  end)

  it("may have something before and behind, which is nobody's", function()
    local text = "a preamble\r\n--no\r\n" .. FORM:gsub("%-%-XX\r\n", "--XX \t\r\n") .. "an epilogue"
    for size = 1, 40 do assert.same(EXPECTED, collect(source(text, size), "XX")) end
    assert.same({}, collect(source("--XX--", 1), "XX"))
  end)

  it("is passed over where nobody reads", function()
    for size = 1, 50 do
      local names = {}
      for part in multipart.read(source(FORM, size), "XX") do names[#names + 1] = part.name end
      assert.same({ "text", "up", "bare" }, names)
    end
  end)

  it("is read whole, or piece by piece", function()
    local parts = multipart.read(source(FORM, 7), "XX")
    local first = parts()
    assert.equal("some words", first:read())
    assert.equal(10, first.size)
    assert.equal("", first:read())
    assert.is_nil(first:recv())
    local second = parts()
    assert.is_string(second:recv())
    parts()
    support.expect_error("gone on to another part", second.recv, second)
    assert.is_nil(parts())
    assert.is_nil(parts())
  end)

  for _, case in ipairs {
    { "ends too soon", FORM:sub(1, -8), "ENODATA" },
    { "has no boundary", "nothing of the kind", "ENODATA" },
    { "is empty", "", "ENODATA" },
    { "goes on behind a boundary", "--XXY\r\n\r\n\r\n--XX--", "EPROTO" },
    { "ends a line with LF", "--XX\n\n\n--XX--", "EPROTO" },
    { "has fields that are none", "--XX\r\nno field\r\n\r\n\r\n--XX--", "EPROTO" },
    { "has a folded field", "--XX\r\na: b\r\n c\r\n\r\n\r\n--XX--", "EPROTO" },
    { "has an endless head", "--XX\r\na: " .. ("b"):rep(10000), "EMSGSIZE" },
    { "has too many parts", FORM:sub(1, -5) .. "\r\n\r\n", "EMSGSIZE" },
    { "has too large a part", body("XX", { "a: b", ("x"):rep(101) }), "EMSGSIZE" },
  } do
    it("is an error when it " .. case[1], function()
      for _, size in ipairs { 1, 5, 1000 } do
        local limits = { max_parts = 3, max_part = 100 }
        local _, err = pcall(collect, source(case[2], size), "XX", limits)
        assert.matches("multipart_spec.lua:%d+: read multipart: .*%(" .. case[3] .. "%)$", err)
      end
    end)
  end

  it("tells the failure of what brings it, and again", function()
    local function broken() return nil, "read x: reset", "ECONNRESET" end
    local parts = multipart.read(broken, "XX")
    for _ = 1, 2 do support.expect_error("read x: reset %(ECONNRESET%)$", parts) end
  end)

  it("is not read beyond what a part may have", function()
    local parts = multipart.read(source(FORM, 7), "XX")
    local part = parts()
    assert.equal("EMSGSIZE", select(3, part:read(3)))
    support.expect_error("EMSGSIZE", parts)
  end)
end)

describe("a boundary", function()
  it("is what the type says", function()
    for text, boundary in pairs {
      ["multipart/form-data; boundary=abc"] = "abc", ['Multipart/Form-Data;Boundary="a b"'] = "a b",
      ["multipart/form-data; charset=x; boundary=a; y=z"] = "a",
    } do
      assert.equal(boundary, multipart.boundary(text), text)
    end
    for _, text in ipairs { "", "text/plain", "multipart/mixed; boundary=a", "multipart/form-data",
      "multipart/form-data; boundary=", "multipart/form-data; boundary=" .. ("x"):rep(71),
      'multipart/form-data; boundary="a\r\n"', 'multipart/form-data; boundary="a "' } do
      assert.is_nil(multipart.boundary(text), text)
    end
    assert.is_nil(multipart.boundary(nil))
  end)
end)
