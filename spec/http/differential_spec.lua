-- kio, llhttp and h11 on the same messages, made and damaged at random: what kio reads the others
-- read alike, to the same end. Where kio refuses and another reads, it is by one of the rules that
-- are listed here, and where another refuses what kio reads, likewise; anything else fails, with
-- the seed that repeats it. KIO_HEADS=1000000 for so many, KIO_SEED=7 for others.
-- flavours: test
-- timeout: 120
local kio = require "kio"
local core = require "kio.http.core"
local heads = require "spec.http.heads"
local support = require "spec.support"

local COUNT <const> = tonumber(os.getenv "KIO_HEADS") or 6000
local FIRST <const> = (tonumber(os.getenv "KIO_SEED") or 1) * 1000000000
local BATCH <const> = 5000

-- ---- what kio makes of them ----

local function fields(lines, mark, each, source)
  for name, value in each(source) do lines[#lines + 1] = mark .. name .. ": " .. value end
end

local function hex(text)
  return (text:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

local limits

local function read_body(reader, head, lines)
  local body, pieces = core.body(head), {}
  repeat
    local piece, message, code = core.read_body(reader, body, nil, 0)
    if code then return code, message end
    pieces[#pieces + 1] = piece
  until not piece
  local trailers = body:trailers()
  if trailers then fields(lines, "+", pairs, trailers) end
  lines[#lines + 1] = "=" .. hex(table.concat(pieces))
end

-- Of a body up to the end of the connection, which these have not, it is all that is there.
local function read_rest(reader, lines)
  local rest = reader:peek(1, { timeout = 0 }) and reader:recv() or ""
  lines[#lines + 1] = "=" .. hex(rest)
end

local function outcome(code, message)
  if code == "ETIMEDOUT" then return "more" end
  return "no " .. message:gsub("^read_%w+ %S+ ", "")
end

local function left(reader)
  return reader:peek(1, { timeout = 0 }) and #reader:recv() or 0
end

local function ours(reader, bytes, is_request)
  if #bytes > 0 then reader:unread(bytes) end
  local head, message, code
  if is_request then head, message, code = core.read_request(reader, limits, 0, 0)
  else head, message, code = core.read_response(reader, limits, "GET", 0) end
  if not head then return outcome(code, message), left(reader) end
  local first = is_request and head.method .. " " .. head.target or ("%03d"):format(head.status)
  local lines = { "ok", first .. " " .. head.version }
  fields(lines, ":", pairs, head.headers)
  if head.body == "close" then
    read_rest(reader, lines)
  else
    code, message = read_body(reader, head, lines)
    if code then return outcome(code, message), left(reader) end
  end
  lines[#lines + 1] = "@" .. #bytes - left(reader)
  return table.concat(lines, "\n")
end

-- ---- what the others make of them ----

local LLHTTP <const> = "/usr/share/llhttp"
local H11 <const> = "/usr/bin/python3 spec/http/oracle/with_h11.py"

local function exists(path)
  local file <close> = io.open(path)
  return file ~= nil
end

-- The commands by name, or why one cannot be had.
local function oracles()
  if not exists(LLHTTP .. "/llhttp.c") then return nil, "needs the package node-llhttp" end
  if not os.execute "/usr/bin/python3 -c 'import h11' 2>/dev/null" then
    return nil, "needs the package python3-h11"
  end
  local program = support.tmpdir() .. "/llhttp"
  local built = os.execute(("gcc -O1 -w -I/usr/share/include/llhttp %s %s/*.c -o %s"):format(
    "spec/http/oracle/llhttp.c", LLHTTP, program))
  assert(built, "the oracle does not compile")
  return { llhttp = program, h11 = H11 }
end

-- h11 gives this one's value in lower case.
local function same_case(answer)
  return (answer:gsub("\n(:[Tt][Rr][%w]+%-[Ee][%w]+: )([^\n]*)", function(name, value)
    return "\n" .. name .. value:lower()
  end))
end

-- The answers of a command to what is in the file.
local function ask(command, path)
  local pipe <close> = assert(io.popen(command .. " < " .. path))
  local answers = {}
  for answer in (pipe:read "a"):gmatch "(.-)\n%.\n" do answers[#answers + 1] = same_case(answer) end
  return answers
end

-- ---- where they differ ----

-- What kio says when it refuses and another does not: the rules by which it is the stricter. Each
-- is in RFC 9110 or 9112, but where a reason is told.
local STRICTER <const> = {
  -- lines
  "a line ends with a bare LF", "a CR without an LF",
  "a folded line, or white space before a field",
  -- fields
  "a field without a name", "a control character in a field",
  "white space before the colon of a field", -- llhttp takes " " there
  "white space behind a Transfer-Encoding", -- allowed; llhttp reads "chunked\t" as another coding
  "white space behind a Content-Length", -- likewise, and it refuses "5\t", but not "5 "
  "more than one Expect",
  -- first lines
  "a request line without a method", -- behind two empty lines
  "a request line without a target", "a request without a version",
  "a first line without a version", -- behind two spaces, or an empty line before a response
  "a version that is neither HTTP/1.0 nor HTTP/1.1",
  "a status that is no number from 100 to 999", "a control character in the reason",
  -- targets and hosts
  "a byte that no target may have", "a target of no form that there is",
  "a target whose host is none", "a target * without OPTIONS", "CONNECT without host and port",
  "a request without a Host", "more than one Host", "a Host that is none",
  "a Host that is not the target's", -- the RFC has the target's win
  -- lengths
  "a Content-Length that is no number", -- lists of equal ones may be read as one
  "more than one Content-Length", -- so may these
  "more than one Transfer-Encoding", -- these, as a list
  "Transfer-Encoding beside a Content-Length", -- the RFC lets chunked win
  "Transfer-Encoding in HTTP/1.0", "a Transfer-Encoding other than chunked",
  "CONNECT with a body", "a body where the status allows none",
  "an expectation other than 100-continue", -- may be answered by 417
  -- chunks
  "something behind a chunk's size", "something behind a chunk's bytes",
  "a chunk's extension of no form", "a chunk without a size", "a chunk's size of too many digits",
  "a control character in a chunk's extension", "a field that no trailer may have",
}
local BY_RULE <const> = {}
for _, words in ipairs(STRICTER) do BY_RULE[words] = true end

-- Whether kio's refusal is by one of them; behind the words may be the name of a field.
local function by_rule(mine)
  local words = mine:match "^no (.*)$"
  return BY_RULE[words] or BY_RULE[words:match "^(.*): %S*$"]
end

-- What another says when kio does not refuse, and why that is right.
local KINDER <const> = {
  llhttp = { "^no HPE_INVALID_METHOD" }, -- it knows the methods of a list only
  h11 = { "^no no request line received" }, -- an empty line before it, which may be passed over
}

local function is_kinder(name, other)
  for _, pattern in ipairs(KINDER[name]) do if other:find(pattern) then return true end end
end

-- What is wrong with the answers to one message; nil: nothing. Where kio waits for more another may
-- have refused already, for it looks at single fields before the head is whole.
local function judge(name, mine, other)
  if mine == other then return nil end
  local accepted, other_accepted = mine:find "^ok\n" ~= nil, other:find "^ok\n" ~= nil
  if accepted and other_accepted then return "read differently" end
  if accepted then return not is_kinder(name, other) and "refused by it alone" or nil end
  if not other_accepted then return nil end
  if mine == "more" then return "more is wanted by kio alone" end
  return not by_rule(mine) and "refused by kio alone" or nil
end

-- One of each kind is told.
local function report(found, name, seed, bytes, mine, other, wrong)
  local kind = table.concat({ name, wrong, mine:match "^no [^:]*" or other:match "^[^\n]*" }, " ")
  if found[kind] then return end
  found[kind] = true
  found[#found + 1] = ("%s, seed %d: %s\n%q\nkio: %s\n%s: %s"):format(name, seed, wrong, bytes,
    mine, name, other)
end

local function batch(reader, first, count, commands, path, found, sums)
  local mine, all = {}, {}
  local file <close> = assert(io.open(path, "wb"))
  for i = 1, count do
    local bytes, is_request = heads.of(first + i)
    all[i] = bytes
    mine[i] = same_case(ours(reader, bytes, is_request))
    file:write(is_request and "R " or "S ", #bytes, "\n", bytes)
    local kind = mine[i]:match "^%a+"
    sums[kind] = (sums[kind] or 0) + 1
  end
  file:close()
  for name, command in pairs(commands) do
    local answers = ask(command, path)
    assert.equal(count, #answers, name)
    for i, other in ipairs(answers) do
      local wrong = judge(name, mine[i], other)
      if wrong then report(found, name, first + i, all[i], mine[i], other, wrong) end
    end
  end
end

describe("kio's parser", function()
  it("reads what llhttp and h11 read, or is the stricter by a rule", function()
    local commands, why = oracles()
    if not commands then return pending(why) end
    local path, found, sums = support.tmpdir() .. "/cases", {}, {}
    limits = core.limits()
    kio.run(function()
      local listener = assert(kio.net.listen("127.0.0.1:0"))
      local accepting = kio.spawn(function() return (listener:accept()) end)
      local writer <close> = assert(kio.net.connect(listener:address()))
      local reader <close> = assert(accepting:await())
      listener:close()
      for done = 0, COUNT - 1, BATCH do
        batch(reader, FIRST + done, math.min(BATCH, COUNT - done), commands, path, found, sums)
      end
      assert(writer)
    end)
    if os.getenv "KIO_HEADS" then
      print(("%d read, %d refused, %d cut short"):format(sums.ok, sums.no, sums.more))
    end
    assert.equal("", table.concat(found, "\n\n"))
    assert.is_true(sums.ok > COUNT / 10 and sums.no > COUNT / 10)
  end)
end)
