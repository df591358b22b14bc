-- Routes by method and path, and what surrounds them.
-- flavours: test
local common = require "spec.http.server.common"
local http = require "kio.http"
local kio = require "kio"
local support = require "spec.support"

local function params(req)
  local list = {}
  for name, value in pairs(req.params) do list[#list + 1] = name .. "=" .. value end
  table.sort(list)
  return table.concat(list, " ")
end

local function said(text) return function(req) return text .. " " .. params(req) end end

local function answers(router, ...)
  local texts, list = { ... }, {}
  kio.testing.run(function()
    common.serving(router:handler(), function(address)
      for i, text in ipairs(texts) do
        local status, headers, body = common.ask_once(address, text
          .. " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        list[i] = status == 200 and body or status .. " " .. (headers.allow or "")
      end
    end)
  end)
  return list
end

describe("a router", function()
  it("takes a colon or an asterisk without a name for itself", function()
    local function named(req) return req.params.a end
    local router = http.router():get("/:a/:", named):get("/x/:a/*", named)
    assert.same({ "b", "404 ", "c" }, answers(router, "GET /b/:", "GET /b/c", "GET /x/c/*"))
  end)

  it("refuses more names than it can tell apart", function()
    local router = http.router()
    assert.has_error(function() router:get(("/:a"):rep(33), print) end,
      "bad argument #2 to 'on' (more than 32 names)")
  end)

  it("finds handlers by method and path", function()
    local router = http.router()
      :get("/", said "root")
      :get("/users/:id", said "user"):delete("/users/:id", said "gone")
      :get("/users/:id/posts/:post", said "post")
      :get("/files/*path", said "file")
      :on("*", "/any.thing", said "any")
      :post("/users", said "new"):put("/users", said "put"):patch("/users", said "patch")
    assert.same({
      "root ", "user id=7", "gone id=7", "post id=a b post=x/y", "file path=a/b%zz.txt", "any ",
      "new ", "put ", "patch ", "404 ", "404 ", "405 GET, DELETE", "",
    }, answers(router,
      "GET /", "GET /users/7?x", "DELETE /users/7", "GET /users/a%20b/posts/x%2fy",
      "GET /files/a/b%zz.txt", "BREW /any.thing", "POST /users", "PUT /users", "PATCH /users",
      "GET /users/", "GET /any-thing", "POST /users/7", "HEAD /users/7"))
  end)

  it("has the first route that matches", function()
    local router = http.router()
      :get("/a", said "one"):get("/:x", said "two"):get("/a", said "three")
    assert.same({ "one ", "two x=b" }, answers(router, "GET /a", "GET /b"))
  end)

  it("passes each request through what surrounds it, the first outermost", function()
    local function around(name)
      return function(handler)
        return function(req, res)
          local status, headers, body = handler(req, res)
          if type(status) == "string" then status, body = 200, status end
          return status, headers, name .. "(" .. body .. ")"
        end
      end
    end
    local router = http.router():use(around "a"):use(around "b"):get("/", said "x")
    assert.same({ "a(b(x ))", "404 " }, answers(router, "GET /", "GET /none"))
  end)

  it("refuses what makes no sense", function()
    local router = http.router()
    support.expect_error("begins with a slash", router.get, router, "x", print)
    support.expect_error("begins with a slash", router.get, router, "/*a/b", print)
    support.expect_error("function expected", router.get, router, "/")
    support.expect_error("string expected", router.on, router, nil, "/", print)
    support.expect_error("too many arguments", router.get, router, "/", print, print)
    support.expect_error("too many arguments", http.router, 1)
    support.expect_error("bad self", router.get, {}, "/", print)
    support.expect_error("function expected", router.use, router, 1)
    router:use(function() end)
    support.expect_error("must return a handler, not a nil", router.handler, router)
  end)
end)
