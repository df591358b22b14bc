-- Redirects: which are followed, with what, and what is left behind.
-- flavours: test
local common = require "spec.http.client.common"
local http = require "kio.http"

local ok, with_server = common.ok, common.with_server

local function code(...)
  local value, message, why = ...
  assert(value == nil and type(message) == "string", "no failure: " .. tostring(value))
  return why
end

local function to(location, status)
  return ("HTTP/1.1 %d Moved\r\nLocation: %s\r\nContent-Length: 4\r\n\r\ngone")
    :format(status or 302, location)
end

-- Runs f with a client, a URL that leads to `location` by `status`, and the server's log.
local function redirected(location, status, f)
  with_server(function(req)
    if req.target == "/from" then return to(location, status) end
    return ok(req.method .. " " .. req.target .. " " .. (req.body or ""))
  end, function(url, log)
    local client <close> = http.client()
    f(client, url .. "/from", log)
  end)
end

describe("a redirect", function()
  it("is followed by GET and HEAD, over the same connection", function()
    for _, status in ipairs { 301, 302, 303, 307, 308 } do
      redirected("to?x=1", status, function(client, url, log)
        local res = assert(client:get(url))
        assert.equal("GET /to?x=1 ", res:body())
        assert.equal(url:gsub("from", "to?x=1"), res.url)
        assert.same({ 1, 2 }, { log.connections, log.requests })
      end)
    end
  end)

  it("takes the method and body along by 307 and 308, and becomes GET by 303", function()
    for status, expected in pairs { [307] = "PUT /to text", [308] = "PUT /to text",
      [303] = "GET /to " } do
      redirected("/to", status, function(client, url, log)
        local res = assert(client:put(url, {
          body = "text", headers = { ["Content-Type"] = "a/b", ["X-A"] = "1" },
        }))
        assert.equal(expected, res:body())
        assert.equal(status ~= 303 and "a/b" or nil, log.all[2].fields["content-type"])
        assert.equal("1", log.all[2].fields["x-a"])
      end)
    end
  end)

  it("is a response for who sent a body otherwise, or one that cannot be sent again", function()
    for _, status in ipairs { 301, 302 } do
      redirected("/to", status, function(client, url)
        assert.equal(status, assert(client:post(url, { body = "x" })).status)
      end)
    end
    redirected("/to", 307, function(client, url)
      local pieces = { "x" }
      local res = assert(client:post(url, { body = function() return table.remove(pieces) end }))
      assert.same({ 307, "gone" }, { res.status, res:body() })
    end)
    redirected("/to", 304, function(client, url)
      assert.equal(304, assert(client:get(url)).status)
    end)
  end)

  it("leaves secrets behind when it leads elsewhere", function()
    local secrets = { Authorization = "a", Cookie = "b", ["X-A"] = "c" }
    local elsewhere
    with_server(function(req)
      if req.target == "/to" then return ok "" end
      return to(req.target == "/same" and "/from" or elsewhere .. "/to")
    end, function(url, log)
      elsewhere = url:gsub("127.0.0.1", "localhost")
      local client <close> = http.client()
      assert(client:get(url .. "/same", { headers = secrets }))
      local before, after = log.all[2].fields, log.all[3].fields
      assert.same({ "a", "b", "c" }, { before.authorization, before.cookie, before["x-a"] })
      assert.same({ nil, nil, "c" }, { after.authorization, after.cookie, after["x-a"] })
      assert.equal(elsewhere:match "//(.*)", after.host)
      assert(client:get((url:gsub("//", "//me:pw@")) .. "/same", { userinfo = true }))
      assert.is_string(log.all[5].fields.authorization)
      assert.is_nil(log.all[6].fields.authorization)
    end)
  end)

  it("is followed so often and not more", function()
    with_server(function(req)
      local n = tonumber(req.target:match "%d+")
      return n == 0 and ok "there" or to("/" .. n - 1)
    end, function(url)
      local client <close> = http.client()
      assert.equal("there", assert(client:get(url .. "/5")):body())
      local _, message, why = client:get(url .. "/6")
      assert.equal("ELOOP", why)
      assert.matches("redirected too often", message)
      assert.equal("there", assert(client:get(url .. "/6", { redirects = 6 })):body())
      assert.equal(302, assert(client:get(url .. "/6", { redirects = 0 })).status)
    end)
  end)

  it("cannot lead to what is no URL for it", function()
    for location, why in pairs {
      ["ftp://a/"] = "EPROTO", ["http://a b/"] = "EPROTO", ["http://me:pw@a/"] = "EPROTO",
      ["mailto:x"] = "EPROTO", ["http://"] = "EPROTO",
    } do
      redirected(location, 302, function(client, url) assert.equal(why, code(client:get(url))) end)
    end
  end)
end)
