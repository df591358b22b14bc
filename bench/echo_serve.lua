-- What the echo servers with kio have in common: a task for each connection, and the contract of
-- load.c. Uses what echo_args.parse has read.
local args = require "echo_args"
local kio = require "kio"

-- Runs echo(stream) on each connection, in a run with these options.
return function(options, echo, run_options)
  kio.run(function()
    local listener = assert(kio.net.listen("127.0.0.1:0"))
    local connections = args.counter(options.once, function() os.exit(true, true) end)
    args.say_ready(listener:address():match ":(%d+)$")
    for stream in listener:accepts() do
      connections.opened()
      kio.spawn(function()
        echo(stream)
        stream:close()
        connections.closed()
      end)
    end
  end, run_options)
end
