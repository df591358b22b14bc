-- stream:send_file: a part of a file over a stream, in order with what is written, refused with
-- words.
local kio = require "kio"
local support = require "spec.support"
local connection = require "spec.net.connection"

local TEXT = ("0123456789abcdef"):rep(30000)

-- Calls f(file) with an open file that holds TEXT.
local function with_file(f)
  local path = os.tmpname()
  assert(kio.fs.write_file(path, TEXT))
  local file <close> = assert(kio.fs.open(path))
  assert(kio.fs.remove(path))
  f(file)
end

describe("send_file", function()
  for _, case in ipairs {
    { "the whole file", nil, nil, TEXT },
    { "what follows an offset", 470000, nil, TEXT:sub(470001) },
    { "a part", 10, 6, TEXT:sub(11, 16) },
    { "what there is of a part beyond the end", 479990, 100, TEXT:sub(479991) },
    { "nothing", 0, 0, "" },
    { "nothing beyond the end", 480001, 10, "" },
  } do
    it("sends " .. case[1] .. ", in order with what is written", function()
      support.run(function()
        with_file(function(file)
          local client, server = connection.pair()
          local reading = kio.spawn(connection.receive_all, server)
          client:write("before ")
          assert.equal(#case[4], client:send_file(file, case[2], case[3]))
          client:write(" behind")
          client:close()
          assert.is_true("before " .. case[4] .. " behind" == reading:await())
          assert.equal(0, file:seek())
          server:close()
        end)
      end)
    end)
  end

  it("goes over a pipe as well", function()
    support.run(function()
      with_file(function(file)
        local child = assert(kio.process.spawn { "cat", stdin = "pipe", stdout = "pipe" })
        assert.equal(16, child.stdin:send_file(file, 0, 16))
        child.stdin:close()
        assert.equal(TEXT:sub(1, 16), child.stdout:read("a"))
        child:wait()
      end)
    end)
  end)

  it("lets nobody write in between, and others again afterwards", function()
    support.run(function()
      with_file(function(file)
        local client, server = connection.narrow()
        local sending = kio.spawn(function() return client:send_file(file) end)
        connection.until_waiting(sending)
        support.expect_error("another task is writing", client.write, client, "x")
        support.expect_error("another task is writing", client.flush, client)
        support.expect_error("another task is writing", client.send_file, client, file)
        local all = kio.spawn(connection.receive_all, server)
        assert.equal(#TEXT, sending:await())
        assert.equal(client, client:write("x"))
        client:close()
        assert.is_true(TEXT .. "x" == all:await())
        server:close()
      end)
    end)
  end)

  it("ends by its deadline, and tells how much had gone", function()
    support.run(function()
      with_file(function(file)
        local client, server = connection.narrow()
        local sent, message, code, count = client:send_file(file, 0, nil, { timeout = 0.01 })
        assert.is_nil(sent)
        assert.equal("ETIMEDOUT", code)
        assert.matches("^send_file [^:]*:?.*: timed out$", message)
        assert.is_true((count > 0 or os.getenv "KIO_FILTER" ~= nil) and count < #TEXT)
        client:close { timeout = 0 }
        server:close()
      end)
    end)
  end)

  it("says what is closed", function()
    support.run(function()
      with_file(function(file)
        local client, server = connection.pair()
        file:close()
        local sent, message, code = client:send_file(file)
        assert.is_nil(sent)
        assert.equal("EBADF", code)
        assert.matches("the file is closed$", message)
        client:close()
        sent, message, code = client:send_file(file)
        assert.is_nil(sent)
        assert.equal("EBADF", code)
        assert.matches("the stream is closed$", message)
        server:close()
      end)
    end)
  end)

  it("refuses what is no file, and numbers that make no sense", function()
    support.run(function()
      with_file(function(file)
        local client, server = connection.pair()
        for _, case in ipairs {
          { { 5 }, "#1 to 'send_file' %(kio.File expected, got number" },
          { { file, -1 }, "#2 to 'send_file'" },
          { { file, 0, "x" }, "#3 to 'send_file'" },
          { { file, 0, 1, { bad = 1 } }, "#4 to 'send_file'" },
        } do
          assert.error_matches(function() client:send_file(table.unpack(case[1])) end, case[2])
        end
        client:close()
        server:close()
      end)
    end)
  end)
end)
