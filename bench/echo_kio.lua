-- The echo server as a user of kio writes it. See load.c for the contract. BUSY_POLL in its
-- environment is the option busy_poll.
package.path = arg[0]:gsub("[^/]*$", "?.lua;") .. package.path
local args = require "echo_args"
local serve = require "echo_serve"

local options = args.parse(arg)

local function echo_chunks(stream)
  while true do
    local data = stream:recv()
    if not data then break end
    if not stream:write(data) then break end
  end
end

-- A handler that knows messages: one read and one write each; what it writes leaves gathered.
local function echo_messages(stream)
  while true do
    local data = stream:read(options.message)
    if not data then break end
    if not stream:write(data) then break end
  end
end

local echo = options.message and echo_messages or echo_chunks

serve(options, echo, { busy_poll = tonumber(os.getenv "BUSY_POLL") or os.getenv "BUSY_POLL" })
