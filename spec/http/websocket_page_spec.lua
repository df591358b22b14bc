-- flavours: test
-- timeout: 120
-- The chat of examples/webchat.lua in a real browser: Chromium opens its page, says something and
-- is told something. KIO_SCREENSHOT: a file for a picture of that.
local kio = require "kio"
local http = require "kio.http"
local peers = require "spec.peers.common"
local support = require "spec.support"

local BROWSER = "chromium"
local OPTIONS = "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars"
  .. " --disable-extensions --no-first-run --disable-background-networking --lang=en"

local function start(url, more)
  return peers.start(("%s %s --user-data-dir=%s %s %s"):format(BROWSER, OPTIONS, support.tmpdir(),
    more or "", peers.quote(url)))
end

describe("the page of examples/webchat.lua", function()
  it("exchanges messages in Chromium", function()
    peers.need(pending, BROWSER)
    local room = require "examples.webchat.room"
    peers.run(function()
      local listener = assert(kio.net.listen "127.0.0.1:0")
      local serving = kio.spawn(http.serve, listener, room.handler, { drain_timeout = 1 })
      local place = listener:address()
      local ada <close> = assert(http.websocket("ws://" .. place .. "/chat?ada"))
      local picture = os.getenv "KIO_SCREENSHOT"
      local how = picture and ("--window-size=640,420 --screenshot=" .. picture) or "--dump-dom"
      local browser <close> = start("http://" .. place .. "/?name=eve&say=hello%20from%20a%20page",
        how .. " --timeout=20000 --virtual-time-budget=3000")
      local heard = {}
      for message in ada:messages { timeout = 30 } do
        heard[#heard + 1] = message
        if message == "eve hello from a page" then
          ada:send "hello, page: κόσμε"
        end
        if message == " eve is gone" then break end
      end
      assert.same({
        " ada is here", " eve is here", "eve hello from a page", "ada hello, page: κόσμε",
        " eve is gone",
      }, heard)
      local text = browser:wait()
      if not picture then
        assert.truthy(text:find("<b>eve</b> hello from a page", 1, true))
        assert.truthy(text:find("<b>ada</b> hello, page: κόσμε", 1, true))
        assert.truthy(text:find("here as eve", 1, true))
      end
      ada:close()
      listener:close()
      serving:await()
    end)
  end)
end)
