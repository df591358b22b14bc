-- A crawler: follows the links of a site, eight pages at a time, over four connections. The site is
-- served here, too.
-- expect: 63 pages, 2 of them missing, the deepest at 5 links
-- expect: 4 connections
local kio = require "kio"
local http = require "kio.http"

-- A tree of pages, some of which link to what is not there.
local function site(req)
  local n = math.tointeger(tonumber(req.path:match "^/(%d+)$" or "1"))
  if n > 61 then return 404 end
  return 200, { ["Content-Type"] = "text/html" },
    ([[<a href="/%d">one</a> <a href="%d">another</a>]]):format(2 * n, 2 * n + 1)
end

-- Page after page; calls found(depth, status) for each.
local function crawl(client, base, found)
  local seen, queue = { [1] = true }, { { n = 1, depth = 0 } }
  local wave = queue
  while #wave > 0 do
    local next_wave = {}
    kio.map(wave, function(page)
      local res <close> = assert(client:get(base .. page.n, { timeout = 5 }))
      found(page.depth, res.status)
      for link in (res.status == 200 and res:body() or ""):gmatch 'href="/?(%d+)"' do
        local n = tonumber(link)
        if not seen[n] and n < 64 then
          seen[n] = true
          next_wave[#next_wave + 1] = { n = n, depth = page.depth + 1 }
        end
      end
    end, { limit = 8 })
    wave = next_wave
  end
end

kio.run(function()
  local listener = assert(kio.net.listen "127.0.0.1:0")
  local serving = kio.spawn(http.serve, listener, site)
  local client <close> = http.client { max_per_host = 4, user_agent = "kio-crawler" }
  local pages, missing, deepest = 0, 0, 0
  crawl(client, "http://" .. listener:address() .. "/", function(depth, status)
    pages = pages + 1
    if status == 404 then missing = missing + 1 end
    deepest = math.max(deepest, depth)
  end)
  print(("%d pages, %d of them missing, the deepest at %d links"):format(pages, missing, deepest))
  client:close()
  listener:close()
  print(serving:await().accepted .. " connections")
end)
