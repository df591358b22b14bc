-- Files, events, cookies, forms and packed bodies on a server, seen by a client of bytes.
-- flavours: test asan hostile
local http = require "kio.http"
local kio = require "kio"
local common = require "spec.http.server.common"
local found_zlib = require "spec.zlib.common"
local support = require "spec.support"

local zlib, why = found_zlib.find()

local function write(path, text) assert(kio.fs.write_file(path, text)) end

-- A folder of a site, with a secret beside it.
local function site()
  local top = support.tmpdir()
  local root = top .. "/root"
  assert(kio.fs.mkdir(root .. "/dir/empty", { parents = true }))
  assert(kio.fs.mkdir(root .. "/.git"))
  write(root .. "/page.html", "<p>page</p>")
  write(root .. "/dir/index.html", "index")
  write(root .. "/.git/config", "secret")
  write(root .. "/a b%.txt", "odd")
  write(root .. "/none.txt", "")
  write(top .. "/secret", "secret")
  for link, target in pairs {
    out = "../secret", absolute = top .. "/secret", inside = "dir/index.html", dirout = "..",
    loop = "loop", proc = "/proc/self/status",
  } do
    assert(kio.fs.symlink(target, root .. "/" .. link))
  end
  return root
end

-- A server of the site while f(get, root) runs: get(path, fields) -> status, headers, body.
local function with_site(options, f)
  support.run(function()
    local root = site()
    common.serving(http.files(root, options), function(address)
      local function get(path, fields, method)
        local text = common.get(path, (fields or "") .. "Connection: close\r\n")
        if method then text = text:gsub("^GET", method) end
        local stream <close> = common.connect(address)
        assert(stream:write(text))
        return common.answer(stream, method)
      end
      f(get, root)
    end)
  end)
end

describe("a site of files", function()
  it("answers with what lies below its root, and nothing else", function()
    with_site(nil, function(get)
      local status, headers, body = get "/page.html"
      assert.same({ 200, "<p>page</p>" }, { status, body })
      assert.equal("text/html; charset=utf-8", headers["content-type"])
      assert.equal("11", headers["content-length"])
      assert.equal("bytes", headers["accept-ranges"])
      for path, text in pairs {
        ["/dir/"] = "index", ["/dir/index.html"] = "index", ["/inside"] = "index",
        ["/a%20b%25.txt"] = "odd", ["//dir//"] = "index", ["/page.html?x=1"] = "<p>page</p>",
        ["/none.txt"] = "",
      } do
        status, headers, body = get(path)
        assert.same({ 200, text }, { status, body }, path)
        assert.equal(#text, tonumber(headers["content-length"]))
      end
      for _, path in ipairs {
        "/missing", "/dir/missing", "/page.html/", "/page.html/x", "/", "/dir/empty/",
        "/.git/config",
        "/%2egit/config", "/out", "/absolute", "/dirout/secret", "/dirout/", "/loop", "/proc",
        "/../secret", "/dir/../../secret", "/%2e%2e/secret", "/..%2fsecret", "/page.html%00",
        "/" .. ("x"):rep(300),
      } do
        status, headers, body = get(path)
        assert.same({ 404, "10", "Not Found\n" }, { status, headers["content-length"], body }, path)
      end
    end)
  end)

  it("sends who asks for a folder to the path with a slash", function()
    with_site(nil, function(get)
      local status, headers = get "/dir?a=b"
      assert.same({ 301, "/dir/?a=b" }, { status, headers.location })
      status, headers = get "//dir"
      assert.same({ 301, "/dir/" }, { status, headers.location })
    end)
  end)

  it("answers HEAD, and no other method", function()
    with_site(nil, function(get)
      local status, headers, body = get("/page.html", nil, "HEAD")
      assert.same({ 200, "11", "" }, { status, headers["content-length"], body })
      status, headers = get("/page.html", nil, "POST")
      assert.same({ 405, "GET, HEAD" }, { status, headers.allow })
      status = get("/missing", nil, "HEAD")
      assert.equal(404, status)
    end)
  end)

  local function whole(status, headers) return { status, headers["content-length"] } end

  it("sends a part, or says that there is none", function()
    with_site(nil, function(get)
      local status, headers, body = get("/page.html", "Range: bytes=3-6\r\n")
      assert.same({ 206, "bytes 3-6/11", "4", "page" },
        { status, headers["content-range"], headers["content-length"], body })
      status, headers, body = get("/page.html", "Range: bytes=11-\r\n")
      assert.same({ 416, "bytes */11", "" }, { status, headers["content-range"], body })
      assert.same({ 200, "11" }, whole(get("/page.html", "Range: bytes=0-1,3-4\r\n")))
      assert.same({ 416, "0" }, whole(get("/none.txt", "Range: bytes=0-\r\n")))
    end)
  end)

  it("sends nothing that the client has", function()
    with_site(nil, function(get)
      local _, headers = get "/page.html"
      local status, again, body = get("/page.html", "If-None-Match: " .. headers.etag .. "\r\n")
      assert.same({ 304, headers.etag, "" }, { status, again.etag, body })
      assert.is_nil(again["content-type"])
      status = get("/page.html", "If-Modified-Since: " .. headers["last-modified"] .. "\r\n")
      assert.equal(304, status)
      status = get("/page.html", 'If-None-Match: "other"\r\n')
      assert.equal(200, status)
      status = get("/page.html", 'If-Match: "other"\r\n')
      assert.equal(412, status)
      status, _, body = get("/page.html",
        ("If-Range: %s\r\nRange: bytes=0-1\r\n"):format(headers.etag))
      assert.same({ 206, "<p" }, { status, body })
      status = get("/page.html", 'If-Range: "x"\r\nRange: bytes=0-1\r\n')
      assert.equal(200, status)
    end)
  end)

  it("sends the neighbour that was packed to who takes it", function()
    with_site({ precompressed = true }, function(get, root)
      write(root .. "/page.html.gz", "packed")
      local status, headers, body = get("/page.html", "Accept-Encoding: gzip\r\n")
      assert.same({ 200, "gzip", "packed", "Accept-Encoding", "text/html; charset=utf-8" },
        { status, headers["content-encoding"], body, headers.vary, headers["content-type"] })
      local tag = headers.etag
      status, headers, body = get "/page.html"
      assert.same({ 200, "<p>page</p>" }, { status, body })
      assert.is_nil(headers["content-encoding"])
      assert.equal("Accept-Encoding", headers.vary)
      assert.not_equal(tag, headers.etag)
      status = get("/dir/", "Accept-Encoding: gzip\r\n")
      assert.equal(200, status)
    end)
  end)

  it("asks the kernel for no more than to open what it sends", function()
    with_site(nil, function(get, root)
      write(root .. "/one.txt", "1")
      local function asked(...)
        local before = kio.stats().ops
        get(...)
        local after, list = kio.stats().ops, {}
        for _, name in ipairs { "open", "stat", "read", "close" } do
          list[name] = (after[name] or 0) - (before[name] or 0)
        end
        return list
      end
      for _, case in ipairs { { "/one.txt" }, { "/one.txt", nil, "HEAD" }, { "/none.txt" } } do
        local list = asked(table.unpack(case, 1, 3))
        assert.same({ 2, 0 }, { list.open, list.stat })
        local is_sent = case[1] == "/one.txt" and not case[3]
        local at_once = is_sent and list.read == 0 and support.flavour ~= "hostile" -- in one piece
        assert.equal(at_once and 0 or 1, list.close)
      end
    end)
  end)

  it("leaves nothing open when its task is cancelled", function()
    local place = require "kio.http.place"
    support.run(function()
      local root = site()
      for turns = 0, 20 do
        local task = kio.spawn(function()
          local _ <close> = place.find(root, { "dir" }, true, "index.html", true)
          kio.sleep(60)
        end)
        for _ = 1, turns do kio.yield() end
        task:cancel()
        assert.is_false((task:join()))
      end
    end)
  end)

  it("goes by its options", function()
    with_site({ dotfiles = true, index = false, headers = { ["Cache-Control"] = "no-store" } },
      function(get)
        assert.equal("secret", select(3, get "/.git/config"))
        assert.equal(404, (get "/dir/"))
        assert.equal("no-store", select(2, get "/page.html")["cache-control"])
      end)
    support.expect_error("option 'index' must be the name of", http.files, "/", { index = "a/b" })
    support.expect_error("unknown option 'colour'", http.files, "/", { colour = 1 })
    support.expect_error("a path %(string%) expected", http.files, nil)
  end)

  it("says whose fault it is when the root is missing", function()
    support.run(function()
      local failure
      common.serving(http.files "/no/such/folder", function(address)
        assert.equal(500, (common.ask_once(address, common.get "/x")))
      end, nil, { on_error = function(err) failure = err end })
      assert.matches("ENOENT", tostring(failure))
    end)
  end)
end)

-- The answer of a handler to a request.
local function answer(handler, request)
  local status, headers, body
  support.run(function()
    common.serving(handler, function(address)
      status, headers, body = common.ask_once(address, request)
    end)
  end)
  return status, headers, body
end

describe("res:file", function()
  it("sends a file of the program's own, or fails", function()
    local path
    local status, headers, body = answer(function(_, res)
      path = support.tmpdir() .. "/.report.csv"
      write(path, "1;2\n")
      local sent, message, code = res:file "/no/such"
      assert(sent == nil and message:find "/no/such" and code == "ENOENT")
      assert(select(3, res:file "/") == "EISDIR")
      assert(res:file(path, { download = 'r"ä.csv' }))
    end, common.get "/")
    assert.same({ 200, "1;2\n" }, { status, body })
    assert.equal("text/csv; charset=utf-8", headers["content-type"])
    assert.equal([[attachment; filename="r___.csv"; filename*=UTF-8''r%22%C3%A4.csv]],
      headers["content-disposition"])
  end)

  it("ends the connection when the file becomes shorter meanwhile", function()
    support.run(function()
      local path, failure = support.tmpdir() .. "/file", nil
      write(path, ("x"):rep(8 << 20))
      common.serving(function(_, res) res:file(path) end, function(address)
        local stream <close> = common.connect(address)
        assert(stream:write(common.get "/"))
        local status, headers = common.head(stream)
        assert.same({ 200, tostring(8 << 20) }, { status, headers["content-length"] })
        local file <close> = assert(kio.fs.open(path, "r+"))
        assert(file:truncate(1 << 20))
        local size = 0
        local fine, message = pcall(function()
          for data in stream:chunks() do size = size + #data end
        end)
        assert.is_true(size < 8 << 20)
        assert.is_false(fine)
        assert.matches("ECONNRESET", message)
      end, nil, { on_error = function(err) failure = err end })
      assert.matches("has become shorter", tostring(failure))
    end)
  end)
end)

describe("events", function()
  it("come as they are sent, and a comment when there are none", function()
    support.run(function()
      local go = kio.sync.event()
      common.serving(function(_, res)
        local events <close> = assert(res:events { heartbeat = 0.01 })
        local id = events.last_id
        assert(events:send { data = "one\r\ntwo\rthree\n", event = "news", id = id, retry = 5 })
        go:wait()
        assert(events:send "last")
        assert(events:comment "a\nb")
      end, function(address)
        local stream <close> = common.connect(address)
        assert(stream:write(common.get("/", "Last-Event-ID: 7\r\n")))
        local status, headers = common.head(stream)
        assert.same({ 200, "text/event-stream", "no-cache" },
          { status, headers["content-type"], headers["cache-control"] })
        local function chunk()
          local bytes = assert(stream:read(tonumber(stream:read_until "\r\n", 16)))
          stream:read_until "\r\n"
          return bytes
        end
        assert.equal("event: news\nid: 7\nretry: 5\ndata: one\ndata: two\ndata: three\ndata: \n\n",
          chunk())
        for _ = 1, 2 do assert.equal(": \n\n", chunk()) end
        go:set()
        local text
        repeat text = chunk() until text ~= ": \n\n"
        assert.equal("data: last\n\n", text)
        repeat text = chunk() until text ~= ": \n\n"
        assert.equal(": a\n: b\n\n", text)
      end)
    end)
  end)

  it("have the fields of the program, in either form, and their own", function()
    support.run(function()
      local given = { { { "X-A", "b" } }, { ["Cache-Control"] = "no-store" } }
      common.serving(function(req, res)
        assert(res:events { headers = given[tonumber(req.query)] }):close()
      end, function(address)
        local stream <close> = common.connect(address)
        local _, headers = common.ask(stream, common.get "/?1")
        assert.same({ "text/event-stream", "no-cache", "b" },
          { headers["content-type"], headers["cache-control"], headers["x-a"] })
        _, headers = common.ask(stream, common.get "/?2")
        assert.equal("no-store", headers["cache-control"])
        assert.is_nil(headers.text:find("no-cache", 1, true))
      end)
    end)
  end)

  it("are not sent when that would make others", function()
    local events = require "kio.http.events"
    assert.equal("id: 7\ndata: 1.5\n\n", events.format { id = 7, data = 1.5 })
    support.expect_error("option 'id' must be a string", events.format, { id = {} })
    assert.equal("data: \n\n", events.format "")
    assert.equal("retry: 0\n\n", events.format { retry = 0 })
    for _, event in ipairs { { event = "a\nb" }, { id = "a\rb" }, { id = "\0" } } do
      support.expect_error("cannot contain line ends", events.format, event)
    end
    support.expect_error("unknown option 'name'", events.format, { name = "x" })
    support.expect_error("a string or a table expected", events.format, 5)
  end)

  it("tell when their client has gone", function()
    support.run(function()
      local code
      common.serving(function(_, res)
        local events <close> = assert(res:events { heartbeat = 0 })
        local sent
        repeat
          sent, _, code = events:send(("x"):rep(1 << 16))
        until not sent
        assert(select(3, events:send "more") == code)
      end, function(address)
        local stream <close> = common.connect(address)
        assert(stream:write(common.get()))
        common.head(stream)
      end)
      assert.is_string(code)
    end)
  end)
end)

describe("cookies and forms", function()
  it("are read and set", function()
    local status, headers, body = answer(function(req, res)
      res:set_cookie("id", req:cookies().id .. "2", { max_age = 60 })
      res:set_cookie("b", "x")
      return req:cookies().other
    end, common.get("/", "Cookie: id=1; other=two\r\n"))
    assert.same({ 200, "two" }, { status, body })
    local set = {}
    for value in headers.text:gmatch "[Ss]et%-[Cc]ookie: ([^\r]*)" do set[#set + 1] = value end
    assert.same({
      "id=12; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Lax",
      "b=x; Path=/; Secure; HttpOnly; SameSite=Lax",
    }, set)
  end)

  local FORM = "--X\r\nContent-Disposition: form-data; name=a; filename=f\r\n\r\n"
    .. ("content"):rep(10000) .. "\r\n--X--"

  local function post(content_type, text)
    return ("POST / HTTP/1.1\r\nHost: a\r\nContent-Type: %s\r\n"):format(content_type)
      .. ("Content-Length: %d\r\n\r\n%s"):format(#text, text)
  end

  it("with files are read part by part", function()
    local status, _, body = answer(function(req)
      local found = {}
      for part in req:multipart() do
        local size = 0
        for piece in part:chunks() do size = size + #piece end
        found[#found + 1] = part.name .. part.filename .. size
      end
      return table.concat(found, ",")
    end, post("multipart/form-data; boundary=X", FORM))
    assert.same({ 200, "af70000" }, { status, body })
  end)

  it("that are none are refused", function()
    for content_type, expected in pairs { ["text/plain"] = 415, ["multipart/form-data"] = 415,
      ["multipart/form-data; boundary=Y"] = 400 } do
      local status
      support.run(function()
        common.serving(function(req) for _ in req:multipart() do end end, function(address)
          status = common.ask_once(address, post(content_type, "--X--"))
        end, nil, { on_error = function() end })
      end)
      assert.equal(expected, status)
    end
  end)
end)

describe("packed", function()
  if not zlib then return it("is skipped", function() pending(why) end) end
  local TEXT = ("some text\n"):rep(1000)
  local function serve(result, fields, options)
    return answer(http.compress.handler(function() return table.unpack(result, 1, 3) end, options),
      common.get("/", fields or "Accept-Encoding: gzip\r\n"))
  end

  it("answers go to who takes them", function()
    for _, result in ipairs { { TEXT }, { 200, { ["Content-Type"] = "application/json" }, TEXT },
      { 200, { { "content-type", "text/css" }, { "Vary", "Origin" } }, TEXT } } do
      local status, headers, body = serve(result)
      assert.same({ 200, "gzip" }, { status, headers["content-encoding"] })
      assert.is_true(#body < #TEXT and zlib.decompress(body) == TEXT)
      assert.matches("Accept%-Encoding", headers.vary)
      status, headers, body = serve(result, "")
      assert.same({ 200, TEXT }, { status, body })
      assert.is_nil(headers["content-encoding"])
      assert.matches("Accept%-Encoding", headers.vary)
    end
  end)

  it("answers come as they are where it does not pay, or must not be", function()
    for _, result in ipairs {
      { "short" }, { 200, { ["content-type"] = "image/png" }, TEXT }, { 200, {}, TEXT },
      { 200, { ["content-type"] = "text/plain", ["cache-control"] = "no-transform" }, TEXT },
      { 200, { ["content-type"] = "text/plain", ["content-encoding"] = "br" }, TEXT }, { 204 },
    } do
      local _, headers, body = serve(result)
      assert.not_equal("gzip", headers["content-encoding"])
      assert.equal(result[3] or type(result[1]) == "string" and result[1] or "", body)
    end
    assert.equal("gzip", select(2, serve({ "short" }, nil, { min = 1 }))["content-encoding"])
    support.expect_error("option 'level'", http.compress.handler, print, { level = 0 })
  end)

  it("answers in pieces are packed piece by piece", function()
    local i = 0
    local status, headers, body = serve { 200, { ["content-type"] = "text/plain" }, function()
      i = i + 1
      if i <= 100 then return "piece " .. i .. "\n" end
    end }
    assert.same({ 200, "gzip" }, { status, headers["content-encoding"] })
    local text = zlib.decompress(body)
    assert.matches("^piece 1\n.*piece 100\n$", text)
  end)

  it("bodies of requests are read within bounds", function()
    local function post(bytes, coding)
      return ("POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: %s\r\n"):format(coding)
        .. ("Content-Length: %d\r\n\r\n%s"):format(#bytes, bytes)
    end
    local function whole(req)
      return assert(http.compress.body(req, { max = 1 << 18, ratio = 100 }))
    end
    local function pieces(req)
      local all = {}
      for piece in http.compress.chunks(req, { max = 1 << 18 }) do all[#all + 1] = piece end
      return table.concat(all)
    end
    local zeros = zlib.compress(("\0"):rep(1 << 20))
    for _, case in ipairs {
      { zlib.compress(TEXT), "gzip", 200, TEXT }, { TEXT, "identity", 200, TEXT },
      { "no gzip", "gzip", 400 }, { zeros, "gzip", 413 }, { TEXT, "br", 415 },
      { zlib.compress(TEXT):sub(1, 40), "x-gzip", 400 },
    } do
      for _, handler in ipairs { whole, pieces } do
        local status, _, body
        support.run(function()
          common.serving(handler, function(address)
            status, _, body = common.ask_once(address, post(case[1], case[2]))
          end, nil, { on_error = function() end })
        end)
        assert.same({ case[3], case[4] or body }, { status, body })
      end
    end
  end)
end)
