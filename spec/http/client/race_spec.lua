-- Requests under a server that closes, stalls, sends stray bytes, answers late or half, at random:
-- no answer is given to the wrong request, none is repeated that must not be, all end within their
-- time: that of a clock which stands still while anything is done, so that how fast the machine is
-- does not matter. Some are cancelled on the way. Then: cancelled at every point.
-- KIO_REQUESTS=1000000 so many of them; KIO_SEED.
-- flavours: test asan
-- timeout: 120
local common = require "spec.http.client.common"
local http = require "kio.http"
local kio = require "kio"
local support = require "spec.support"
local testing = require "kio.testing"

local ok, with_server = common.ok, common.with_server

local REQUESTS = tonumber(os.getenv "KIO_REQUESTS") or (support.flavour == "test" and 4000 or 1500)
local SEED = tonumber(os.getenv "KIO_SEED") or os.time()
local TASKS, LIMIT = 40, 0.25
local CREEP = 0.05 -- seconds: each look at the clock takes it a microsecond further

local function random(n) return math.random(n) - 1 end

-- The server counts how often it has seen what, by number. It does not answer on a connection on
-- which it has said too much: else each answer there would be late by one, and nobody could know.
local function misbehave(seen)
  local lied = setmetatable({}, { __mode = "k" })
  return function(req, stream, log)
    local id = req.target
    local number = tonumber(id:sub(2))
    seen[number] = (seen[number] or 0) + 1
    log.all[#log.all] = nil
    if lied[stream] then return nil end
    local chance, answer = random(1000), ok(id .. (req.body or ""))
    lied[stream] = chance >= 15 and chance < 30
    if chance < 10 then return nil
    elseif chance < 15 then stream:option("linger", 0) return nil
    elseif chance < 20 then stream:write(answer, "stray") return ""
    elseif chance < 25 then stream:write(answer, ok "forged") return ""
    elseif chance < 30 then stream:write(answer):flush() kio.sleep(0.001) return ok "late forgery"
    elseif chance < 33 then kio.sleep(LIMIT * 0.4) return answer
    elseif chance < 35 then kio.sleep(LIMIT * 1.2) return answer
    elseif chance < 45 then stream:write(answer:sub(1, random(#answer))) return nil
    elseif chance < 60 then stream:write(answer) return nil
    elseif chance < 70 then return ok(id .. (req.body or ""), "Connection: close\r\n")
    elseif chance < 80 then return ok(id .. (req.body or ""), "Keep-Alive: timeout=1\r\n")
    elseif chance < 90 then return ok(id .. (req.body or ""):rep(3), "X: y\r\n", "503 Busy")
    end
    return answer
  end
end

local function ask(client, url, id, counts)
  local method = ({ "GET", "GET", "POST", "PUT" })[random(4) + 1]
  local body = method ~= "GET" and "/" .. id .. "+" or nil
  local started = kio.now()
  local res <close>, _, code = client:request(url .. "/" .. id, {
    method = method, body = body, timeout = LIMIT, body_timeout = LIMIT,
  })
  local took = kio.now() - started
  counts.longest = math.max(counts.longest, took)
  assert(took < LIMIT + CREEP, "a request took too long")
  if not res then
    counts[code] = (counts[code] or 0) + 1
    return method
  end
  local want = "/" .. id .. (body or "")
  if random(10) == 0 then return method end
  if random(10) == 0 then
    local first = res:read(3)
    local forged = first == "for" or first == "lat"
    assert(not first or forged or want:sub(1, #first) == first, "the wrong answer")
    return method
  end
  local text = res:body()
  if text and res.status == 200 then
    -- What a server sends of itself behind an answer can be taken for the next one, if it comes
    -- when that was asked for already.
    assert(text == want or text:find "forg", "the wrong answer: " .. text)
    counts.right = counts.right + 1
  end
  return method
end

local function run()
  local seen, methods, counts, next_id = {}, {}, { right = 0, cancelled = 0, longest = 0 }, 0
  with_server(misbehave(seen), function(url)
    local client <close> = http.client { max_per_host = 8 }
    local function work()
      while next_id < REQUESTS do
        next_id = next_id + 1
        local id = next_id
        methods[id] = ask(client, url, id, counts)
      end
    end
    local tasks = {}
    for i = 1, TASKS do tasks[i] = kio.spawn(work) end
    while next_id < REQUESTS do
      kio.yield()
      local i = random(TASKS) + 1
      if random(16) == 0 then
        tasks[i]:cancel()
        local fine, err = tasks[i]:join()
        if not fine and not kio.is_cancelled(err) then error(err, 0) end
        if not fine then counts.cancelled = counts.cancelled + 1 end
        tasks[i] = kio.spawn(work)
      end
      local pool = select(2, next(client.transport.pools))
      assert(not pool or pool.taken <= 8)
    end
    for _, task in ipairs(tasks) do task:await() end
    collectgarbage()
    collectgarbage()
    local pool = select(2, next(client.transport.pools))
    require "spec.net.serve.common".until_true(function()
      return not pool or pool:stats().leased == 0
    end)
  end, nil, function(f)
    return testing.run(f, { seed = SEED, timeout = math.huge, watchdog = false })
  end)
  for id, method in pairs(methods) do
    local times = seen[id] or 0
    assert(times <= (method == "POST" and 1 or 2), method .. " was sent " .. times .. " times")
  end
  return counts
end

describe("the HTTP client under fire", function()
  it("gives each request its own answer, or none, in time", function()
    math.randomseed(SEED)
    local fine, counts = xpcall(run, debug.traceback)
    assert(fine, ("KIO_SEED=%d: %s"):format(SEED, tostring(counts)))
    assert.is_true(counts.right > REQUESTS / 3)
    assert.is_true(counts.cancelled > REQUESTS / 1000)
    if os.getenv "KIO_REQUESTS" then
      for code, count in pairs(counts) do print(code, count) end
    end
  end)
end)

describe("a request that is cancelled", function()
  -- What happens from connecting to the last byte, in small steps.
  local function program(client, url)
    do
      local res <close> = assert(client:post(url, { body = "x", timeout = 5 }))
      assert(res:body() == "/x")
    end
    local pieces = { "a", "b", "c" }
    local streamed <close> = assert(client:put(url, {
      body = function() kio.yield() return table.remove(pieces, 1) end,
    }))
    assert(streamed:read "a" == "/abc")
  end

  it("leaves nothing behind, wherever it was", function()
    with_server(function(req, stream)
      stream:write("HTTP/1.1 200 OK\r\n"):flush()
      kio.yield()
      stream:write(("Content-Length: %d\r\n\r\n"):format(#req.target + #req.body)):flush()
      kio.yield()
      return req.target .. req.body
    end, function(url)
      local client <close> = http.client { max_per_host = 1, timeout = 20 }
      local cancelled, turns = 0, 0
      repeat
        local task = kio.spawn(program, client, url)
        for _ = 1, turns do kio.yield() end
        task:cancel()
        local fine, err = task:join()
        if not fine and not kio.is_cancelled(err) then error(err, 0) end
        if not fine then cancelled = cancelled + 1 end
        program(client, url) -- there is a place for it
        turns = turns + 1
      until fine
      assert.is_true(cancelled > 8)
    end)
  end)
end)
