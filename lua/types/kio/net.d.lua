---@meta kio.core.net
-- Streams, listeners and their options: the part of the C half behind kio.net. The conventions are
-- those at the head of kio.d.lua.

---A buffered connection. One task may read and one may write at a time; a second one raises. Closes
---itself as a to-be-closed variable, and when it is collected.
---@class kio.Stream: userdata
local Stream = {}

---What has arrived next.
---@async
---@param max? integer at most this many bytes
---@param options? kio.Options
---@return string|nil data nil without a message when the peer has ended
---@return string? message
---@return string? code
function Stream:recv(max, options) end

---The same into a buffer, without making a string: how many bytes have come. What there is no room
---for stays unread.
---@async
---@param buffer kio.Buffer
---@param at? integer where in the buffer they begin (1)
---@param max? integer at most this many (all the room behind `at`)
---@param options? kio.Options
---@return integer|nil count nil without a message at the end
---@return string? message
---@return string? code
function Stream:recv_into(buffer, at, max, options) end

---@class kio.ReadOptions: kio.Options
---@field max? integer the longest value allowed: a line or read_until 64 KiB, "a" 64 MiB

---A value for each format, as Lua's io: "l" a line, "L" a line with its newline, "a" all up to the
---end, n that many bytes (fewer only at the end). A read that fails takes no byte.
---@async
---@param ... string|integer|kio.ReadOptions formats, default "l"; options in last place
---@return string|nil ... nil without a message at the end
function Stream:read(...) end

---What comes before the delimiter, which is dropped.
---@async
---@param delimiter string
---@param options? kio.ReadOptions
---@return string|nil data nil without a message at the end
---@return string? message
---@return string? code "ENODATA" when the end comes first, "EMSGSIZE" past `max`
function Stream:read_until(delimiter, options) end

---The next bytes, which stay unread.
---@async
---@param size? integer default 1; fewer only at the end
---@param options? kio.Options
---@return string|nil data nil without a message at the end
---@return string? message
---@return string? code
function Stream:peek(size, options) end

---Puts bytes back: they are what is read next.
---@param data string
---@return kio.Stream|nil self
---@return string? message
---@return string? code
function Stream:unread(data) end

---Gathers output; what a turn of the loop gathers leaves in one send. Waits only past 64 KiB. A
---send that fails is told by the next write, flush or close.
---@async
---@param ... string|number|kio.Buffer|(string|number|kio.Buffer)[]
---@return kio.Stream|nil self
---@return string? message
---@return string? code
---@return integer? taken bytes of this call that were taken over before the failure
function Stream:write(...) end

---The same, and waits until the kernel has taken every byte.
---@async
---@param ... string|number|kio.Buffer|(string|number|kio.Buffer)[]
---@return kio.Stream|nil self
---@return string? message
---@return string? code
---@return integer? taken
function Stream:send(...) end

---Gathers output across turns until there are `size` bytes of it, at most 16 MiB; flush, send,
---shutdown, close and the end of the run let it go before. With 0, as in the beginning, what one
---turn writes leaves with it. Past 64 KiB or `size`, whichever is more, a writer waits.
---@param size integer
---@return kio.Stream|nil self
---@return string? message
---@return string? code
function Stream:buffer(size) end

---Waits until all output has left.
---@async
---@param options? kio.Options
---@return kio.Stream|nil self
---@return string? message
---@return string? code
function Stream:flush(options) end

---Lets output leave, then ends one or both directions, see shutdown(2).
---@async
---@param how? "read"|"write"|"both" default both
---@return boolean|nil done
---@return string? message
---@return string? code
function Stream:shutdown(how) end

---Lets output leave, ends what is under way on the stream ("EBADF" for who waits), and closes, even
---when it returns an error. In a cancelled task output gets one try, as with a timeout of 0.
---Closing again does nothing.
---@async
---@param options? kio.Options
---@return boolean|nil done
---@return string? message a failed send is told here at the latest
---@return string? code
function Stream:close(options) end

---The timeout of operations that name none.
---@param seconds number|nil
---@return kio.Stream self
function Stream:set_timeout(seconds) end

---@return kio.Address peer the other end's
function Stream:peer() end

---@return kio.Address|nil address this end's
---@return string? message
---@return string? code
function Stream:address() end

---@return kio.Fd|nil fd nil when closed
function Stream:fd() end

---A socket option by name: what the kernel has, or the socket after setting it.
---@param name kio.OptionName
---@param value? boolean|number|string
---@return boolean|number|kio.Stream|nil value
---@return string? message
---@return string? code
function Stream:option(name, value) end

---@class kio.ReceiveFdsOptions: kio.Options
---@field max_fds? integer so many are taken at most (253), the others that come are closed

---The next bytes, and the descriptors that came with them: unix(7), SCM_RIGHTS.
---@async
---@param max? integer default 65536
---@param options? kio.ReceiveFdsOptions
---@return string|nil data nil without a message at the end
---@return kio.Fd[]|string|nil fds they are the caller's to close, and close-on-exec; or the message
---@return string? code "EMFILE": there was no room for all of them, and all are closed
---@return string? lost the bytes that came with those
function Stream:recv_fds(max, options) end

---Who is at the other end of a Unix connection: unix(7), SO_PEERCRED.
---@return {pid: integer, uid: integer, gid: integer}|nil who
---@return string? message
---@return string? code "EOPNOTSUPP" when it is no Unix socket
function Stream:credentials() end

---@class kio.Listener: userdata
local Listener = {}

---@async
---@param options? kio.Options
---@return kio.Stream|nil stream
---@return kio.Address|string peer or the message
---@return string? code
function Listener:accept(options) end

---Closes; every accept under way fails with "EBADF".
---@async
---@return boolean done
function Listener:close() end

---@return kio.Address address with the port the system chose when 0 was asked for
function Listener:address() end

---@return kio.Fd|nil fd nil when closed
function Listener:fd() end

---A socket option by name: what the kernel has, or the socket after setting it.
---@param name kio.OptionName
---@param value? boolean|number|string
---@return boolean|number|kio.Listener|nil value
---@return string? message
---@return string? code
function Listener:option(name, value) end

---Who is at the other end of a Unix connection: unix(7), SO_PEERCRED.
---@return {pid: integer, uid: integer, gid: integer}|nil who
---@return string? message
---@return string? code "EOPNOTSUPP" when it is no Unix socket
function Listener:credentials() end

---@alias kio.OptionName
---| "nodelay" | "keepalive" | "keepalive_interval" | "keepalive_count" | "user_timeout" | "linger"
---| "quickack" | "unsent_limit" | "max_segment" | "send_buffer" | "receive_buffer" | "tos" | "ttl"
---| "priority" | "reuseaddr" | "reuseport" | "v6only" | "defer_accept" | "fastopen" | "broadcast"
---| "multicast_ttl" | "multicast_loop" | "multicast_interface"

---What both ends of TCP know; a Unix socket takes the buffer sizes and passes over the rest.
---@class kio.TcpOptions
---@field nodelay? boolean TCP_NODELAY (true)
---@field keepalive? number|false idle seconds before TCP probes the peer (false: never)
---@field keepalive_interval? number seconds between two probes: TCP_KEEPINTVL
---@field keepalive_count? integer unanswered probes until ETIMEDOUT: TCP_KEEPCNT
---@field user_timeout? number seconds that sent bytes may be unacknowledged: TCP_USER_TIMEOUT
---@field linger? 0|false 0: close resets the connection (false)
---@field quickack? boolean TCP_QUICKACK
---@field unsent_limit? integer bytes: TCP_NOTSENT_LOWAT
---@field max_segment? integer bytes: TCP_MAXSEG
---@field send_buffer? integer SO_SNDBUF
---@field receive_buffer? integer SO_RCVBUF
---@field tos? integer IP_TOS, IPV6_TCLASS
---@field ttl? integer IP_TTL, IPV6_UNICAST_HOPS
---@field priority? integer SO_PRIORITY

---@class kio.ConnectOptions: kio.TcpOptions, kio.Options
---@field attempt_delay? number seconds until the next address of a name is tried as well (0.25)
---@field type? "stream"|"seqpacket" of a Unix socket; "seqpacket": a kio.Udp is made (stream)
---@field tls? boolean|kio.tls.Context|kio.tls.ConnectOptions the stream speaks TLS (false)

---What concerns connections is inherited by the accepted ones.
---@class kio.ListenOptions: kio.TcpOptions
---@field type? "stream"|"seqpacket" of a Unix socket; "seqpacket": kio.Udp are accepted (stream)
---@field backlog? integer connections that may wait (1024)
---@field reuseaddr? boolean bind although old connections linger (true)
---@field reuseport? boolean several listeners on one port (false)
---@field v6only? boolean an IPv6 listener takes no IPv4 connections (false)
---@field defer_accept? number seconds to wait for a connection's first bytes: TCP_DEFER_ACCEPT
---@field fastopen? integer connections waiting with early data: TCP_FASTOPEN
