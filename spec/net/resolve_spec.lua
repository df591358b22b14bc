-- Names: kio.net.resolve, and connect and listen by name. The resolver itself is replaced where its
-- answers matter: what a machine's hosts file says differs.
local core = require "kio.core"
local kio = require "kio"
local common = require "spec.fs.common"
local support = require "spec.support"

local failed, resolve = common.failed, kio.net.resolve
local has_v6 = support.run(function()
  local listener = kio.net.listen "[::1]:0"
  return listener and listener:close() or false
end)

local real_lookup = core.own.net_lookup
after_each(function() core.own.net_lookup = real_lookup end)

-- Every name has these addresses.
local function answer(...)
  local list = table.pack(...)
  core.own.net_lookup = function(_, port)
    local out = {}
    for i, host in ipairs(list) do out[i] = host .. ":" .. port end
    return out
  end
end

local function fail(code, text)
  core.own.net_lookup = function(name) return nil, "resolve " .. name .. ": " .. text, code end
end

describe("resolve", function()
  it("answers for numeric addresses, Unix names and localhost without a thread", function()
    support.run(function()
      assert.same({ "127.0.0.1" }, resolve "127.0.0.1")
      assert.same({ "127.0.0.1:80" }, resolve "127.0.0.1:80")
      assert.same({ "[::1]" }, resolve "[::1]")
      assert.same({ "[::1]:80" }, resolve "[::1]:80")
      assert.same({ "[::1]:80" }, resolve("[::1]", { port = 80, family = "inet6" }))
      assert.same({ "unix:@name" }, resolve "unix:@name")
      assert.same({ "127.0.0.1", "[::1]" }, resolve "localhost")
      assert.same({ "127.0.0.1:1", "[::1]:1" }, resolve "LocalHost.:1")
      assert.same({ "[::1]" }, resolve("localhost", { family = "inet6" }))
      failed("EAI_ADDRFAMILY", "resolve 127.0.0.1: it is no address of the family inet6",
        resolve("127.0.0.1", { family = "inet6" }))
      assert.equal(0, kio.stats().pool.threads)
    end)
  end)

  it("asks the system on a thread, and outside a task at once", function()
    local function check()
      assert.same({ "127.0.0.1:80" }, core.own.net_lookup("127.0.0.1", "80", "inet"))
      assert.same({ "127.0.0.1:53" }, core.own.net_lookup("127.0.0.1", "53", "any", "datagram"))
      assert.same({ "[::1]:0" }, core.own.net_lookup("::1", "0"))
    end
    check()
    for _, backend in ipairs { "uring", "sim" } do
      support.run(function()
        check()
        assert.is_true(kio.stats().pool.threads >= 1)
      end, { backend = backend })
    end
  end)

  it("finds what the system's hosts file says", function()
    local hosts = io.open "/etc/hosts"
    local text = hosts and hosts:read "a" or ""
    if hosts then hosts:close() end
    if not ("\n" .. text):find "\n127%.0%.0%.1[ \t]+localhost%f[^%w.-]" then
      return pending "the hosts file of this machine has no localhost"
    end
    local found = support.run(function() return core.own.net_lookup("localhost", "80", "inet") end)
    assert.same({ "127.0.0.1:80" }, found)
  end)

  it("tells what the system says, by its code", function()
    local function check()
      local list, message, code = core.own.net_lookup("127.0.0.1", "no-such-service")
      assert.is_nil(list)
      assert.equal("EAI_SERVICE", code)
      assert.matches("^resolve 127.0.0.1: %l", message)
      assert.matches("^EAI_", (select(3, core.own.net_lookup("::1", "80", "inet"))))
    end
    check()
    support.run(check)
  end)

  it("gives each address once, with the port that was asked for", function()
    answer("192.0.2.1", "192.0.2.1", "[2001:db8::1]")
    support.run(function()
      assert.same({ "192.0.2.1", "[2001:db8::1]" }, resolve "example.org")
      assert.same({ "192.0.2.1:80", "[2001:db8::1]:80" }, resolve "example.org:80")
      assert.same({ "192.0.2.1:81", "[2001:db8::1]:81" }, resolve("example.org", { port = 81 }))
      assert.same({ "192.0.2.1:x", "[2001:db8::1]:x" }, resolve("example.org", { service = "x" }))
      assert.same({ "192.0.2.1:0", "[2001:db8::1]:0" }, resolve "example.org:0")
    end)
  end)

  it("passes on what it was asked", function()
    local asked
    core.own.net_lookup = function(...)
      asked = { ... }
      return { "192.0.2.1:0" }
    end
    support.run(function()
      resolve("a_b.example.", { family = "inet6", type = "datagram", timeout = 3 })
      assert.same({ "a_b.example.", "0", "inet6", "datagram", { timeout = 3 } }, asked)
    end)
  end)

  it("refuses what is no name before anybody is asked", function()
    core.own.net_lookup = function() error "asked" end
    local host = "the host must be a numeric IPv4 address, an IPv6 address in brackets, or a name"
    local part = "each part of a name has 1 to 63 bytes"
    local bad = {
      { "", "the host is missing" }, { ":80", "the host is missing" }, { "1.2.3", host },
      { "127.1:80", host }, { "0x7f000001", host }, { "a.0x1", host }, { "a.256", host },
      { "a b", host }, { "a/b", host }, { "a@b:1", host }, { "..", part }, { "a..b", part },
      { ".a", part }, { ("x"):rep(64) .. ".org", part }, { "b\xc3\xbccher.example",
        "a name that is not ASCII must be given in its encoded form, xn--..." },
      { ("x23456789."):rep(26), "a name has 1 to 253 bytes" },
      { "example.org:", "the port must be a number from 0 to 65535" },
      { "example.org:http", "the port must be a number from 0 to 65535" },
      { "example.org:65536", "the port must be a number from 0 to 65535" },
      { "::1", "an IPv6 host must be in brackets" }, { "[zz]", "not an IPv6 address" },
    }
    support.run(function()
      for _, case in ipairs(bad) do
        failed("EINVAL", ("resolve %s: %s"):format(case[1], case[2]), resolve(case[1]))
      end
      failed("EINVAL", "resolve a: not a host address", resolve "a\0b")
      answer "192.0.2.1"
      local longest = ("x"):rep(63) .. "." .. ("x"):rep(63) .. "." .. ("x"):rep(63) .. "."
      assert.same({ "192.0.2.1" }, resolve(longest .. ("x"):rep(61)))
      assert.same({ "192.0.2.1" }, resolve "xn--bcher-kva.example")
      assert.same({ "192.0.2.1" }, resolve "4.3com")
    end)
  end)

  it("raises on misuse", function()
    support.run(function()
      support.expect_error("resolve_spec.lua:%d+: bad argument #1 to 'resolve'", function()
        resolve(80)
      end)
      local wrong = {
        { { time = 1 }, "unknown option 'time'" }, { { timeout = -1 }, "'timeout'" },
        { { family = "ipv4" }, "'family'" }, { { type = "raw" }, "'type'" },
        { { port = 1.5 }, "'port'" }, { { port = -1 }, "'port'" }, { { port = 65536 }, "'port'" },
        { { service = "" }, "'service'" }, { { port = 1, service = "x" }, "either" },
      }
      for _, case in ipairs(wrong) do
        support.expect_error("#2 to 'resolve' .*" .. case[2], resolve, "example.org", case[1])
      end
      support.expect_error("has a port already", resolve, "example.org:80", { port = 80 })
    end)
  end)

  it("ends at its deadline and with its task, though the resolver hangs", function()
    support.run(function()
      local r, w = assert(kio.pipe())
      core.own.net_lookup = function(name, _, _, _, options)
        local found, message, code = core.wait_job(r, nil, options)
        return found and { name }, message and "resolve " .. name .. ": late", code
      end
      assert.equal("ETIMEDOUT", select(3, resolve("slow.example", { timeout = 0.01 })))
      failed("ETIMEDOUT", "connect slow.example:1: late",
        kio.net.connect("slow.example:1", { timeout = 0.01 }))
      local task = kio.spawn(kio.net.connect, "slow.example:1")
      common.until_waiting(task)
      task:cancel()
      assert.is_true(kio.is_cancelled(select(2, task:join())))
      kio.write(w, "xxx")
      kio.close(r)
      kio.close(w)
    end)
  end)
end)

describe("connect by name", function()
  it("reaches the address that answers", function()
    answer("127.0.0.2", "127.0.0.1")
    support.run(function()
      local listener <close> = assert(kio.net.listen "127.0.0.1:0")
      local port = listener:address():match "%d+$"
      local stream <close> = assert(kio.net.connect("example.org:" .. port, { nodelay = true }))
      assert.equal("127.0.0.1:" .. port, stream:peer())
      local before = kio.stats().pool.threads
      local again <close> = assert(kio.net.connect("localhost:" .. port, { timeout = 10 }))
      assert.equal("127.0.0.1:" .. port, again:peer())
      assert.equal(0, before)
    end)
  end)

  it("of localhost finds a listener on IPv6 too", function()
    if not has_v6 then pending "this machine has no [::1]" end
    support.run(function()
      local listener <close> = assert(kio.net.listen "[::1]:0")
      local port = listener:address():match "%d+$"
      local stream <close> = assert(kio.net.connect("localhost:" .. port))
      assert.equal("[::1]:" .. port, stream:peer())
    end)
  end)

  it("names what it was given, and every attempt", function()
    answer("127.0.0.1", "127.0.0.2")
    support.run(function()
      local port = support.free_port()
      failed("ECONNREFUSED", ("connect example.org:%d: 127.0.0.1:%d: connection refused; "
        .. "127.0.0.2:%d: connection refused"):format(port, port, port),
        kio.net.connect("example.org:" .. port))
      fail("EAI_AGAIN", "temporary failure in name resolution")
      failed("EAI_AGAIN", "connect example.org:1: temporary failure in name resolution",
        kio.net.connect "example.org:1")
      failed("EAI_AGAIN", "listen example.org:1: temporary failure in name resolution",
        kio.net.listen "example.org:1")
    end)
  end)

  it("refuses bad options before the name is looked up", function()
    core.own.net_lookup = function() error "asked" end
    support.run(function()
      local connect = kio.net.connect
      for _, address in ipairs { "example.org:80", "127.0.0.1:80" } do
        support.expect_error("unknown option 'backlog'", connect, address, { backlog = 1 })
        support.expect_error("'attempt_delay'", connect, address, { attempt_delay = -1 })
        support.expect_error("'attempt_delay'", connect, address, { attempt_delay = "1" })
      end
    end)
    support.expect_error("outside a task", kio.net.connect, "example.org:80")
  end)

  it("begins the next attempt after its attempt_delay", function()
    answer("127.0.0.1", "127.0.0.2")
    support.run(function()
      -- a full backlog never answers
      local full <close> = assert(kio.net.listen("127.0.0.1:0", { backlog = 0 }))
      local port = full:address():match "%d+$"
      local first <close> = assert(kio.net.connect(full:address()))
      local other <close> = assert(kio.net.listen("127.0.0.2:" .. port))
      local stream <close> = assert(kio.net.connect("example.org:" .. port,
        { attempt_delay = 0.01, timeout = 30 }))
      assert.equal("127.0.0.2:" .. port, stream:peer())
      assert(first and other)
    end)
  end)
end)

describe("listen by name", function()
  it("takes the first address that can be had, in and outside a task", function()
    answer("192.0.2.1", "127.0.0.1")
    local function check()
      local listener = assert(kio.net.listen "example.org:0")
      assert.matches("^127.0.0.1:%d+$", listener:address())
      listener:close()
    end
    check()
    support.run(check)
    answer "192.0.2.1"
    assert.equal("EADDRNOTAVAIL", select(3, kio.net.listen "example.org:0"))
  end)
end)
