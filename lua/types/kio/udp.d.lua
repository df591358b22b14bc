---@meta kio.core.udp
-- Sockets that keep messages apart, and descriptors by number: the part of the C half behind
-- kio.net. The conventions are those at the head of kio.d.lua.

---Sends and receives whole messages: UDP, Unix datagrams, or, connected, a sequence of packets.
---Several tasks may send, one may receive. Closes itself as a to-be-closed variable, and when it is
---collected.
---@class kio.Udp: userdata
local Udp = {}

---Sends one message to an address.
---@async
---@param data string|number|kio.Buffer|(string|number|kio.Buffer)[] pieces are joined
---@param address kio.Address
---@param options? kio.Options
---@return kio.Udp|nil self
---@return string? message
---@return string? code
function Udp:send_to(data, address, options) end

---Sends one message to the peer.
---@async
---@param data string|number|kio.Buffer|(string|number|kio.Buffer)[]
---@param options? kio.Options
---@return kio.Udp|nil self
---@return string? message
---@return string? code "ECONNREFUSED": an earlier message found nobody
function Udp:send(data, options) end

---The next message and who has sent it.
---@async
---@param max? integer the longest that is expected, in bytes; default 65536
---@param options? kio.Options
---@return string|nil data "" is a message, too; nil without a message at the end of packets
---@return kio.Address|string|nil from or the message
---@return string? code "EMSGSIZE": it is longer
---@return string? head of a longer one: its first `max` bytes; the rest is lost
---@return kio.Address? sender of a longer one
function Udp:receive_from(max, options) end

---The same without the sender.
---@async
---@param max? integer
---@param options? kio.Options
---@return string|nil data
---@return string? message
---@return string? code
---@return string? head
---@return kio.Address? sender
function Udp:receive(max, options) end

---@class kio.GroupOptions
---@field interface? string|integer by name or index; default: the kernel's choice
---@field source? string only messages of this IP address

---Receives what is sent to a multicast group.
---@param group string an IP address
---@param options? kio.GroupOptions
---@return kio.Udp|nil self
---@return string? message
---@return string? code
function Udp:join(group, options) end

---Ends what `join` with the same arguments began.
---@param group string
---@param options? kio.GroupOptions
---@return kio.Udp|nil self
---@return string? message
---@return string? code
function Udp:leave(group, options) end

---The timeout of operations that name none.
---@param seconds number|nil
---@return kio.Udp self
function Udp:set_timeout(seconds) end

---@return kio.Address address its own
function Udp:address() end

---@return kio.Address|nil peer nil when it is not connected
function Udp:peer() end

---@return kio.Fd|nil fd nil when closed
function Udp:fd() end

---A socket option by name: what the kernel has, or the socket after setting it.
---@param name kio.OptionName
---@param value? boolean|number|string
---@return boolean|number|kio.Udp|nil value
---@return string? message
---@return string? code
function Udp:option(name, value) end

---Who is at the other end of a sequence of packets.
---@return {pid: integer, uid: integer, gid: integer}|nil who
---@return string? message
---@return string? code
function Udp:credentials() end

---The next message, and the descriptors that came with it: unix(7), SCM_RIGHTS.
---@async
---@param max? integer
---@param options? kio.ReceiveFdsOptions
---@return string|nil data
---@return kio.Fd[]|string|nil fds they are the caller's to close, and close-on-exec; or the message
---@return string? code "EMFILE": there was no room for all of them, and all are closed
---@return string? head
function Udp:recv_fds(max, options) end

---Closes; every operation under way fails with "EBADF".
---@async
---@param options? kio.Options as of a stream's close, for code that has either
---@return boolean done
function Udp:close(options) end

---@class kio.UdpOptions
---@field peer? kio.Address whom it is connected to
---@field broadcast? boolean may send to broadcast addresses: SO_BROADCAST (false)
---@field multicast_ttl? integer how far messages to groups go (1: this network)
---@field multicast_loop? boolean messages to groups come to this machine's members as well (true)
---@field multicast_interface? string|integer where messages to groups leave, by name or index
---@field reuseaddr? boolean (false)
---@field reuseport? boolean several sockets on one port (false)
---@field v6only? boolean (false)
---@field send_buffer? integer SO_SNDBUF
---@field receive_buffer? integer SO_RCVBUF
---@field tos? integer IP_TOS, IPV6_TCLASS
---@field ttl? integer IP_TTL, IPV6_UNICAST_HOPS
---@field priority? integer SO_PRIORITY

---@class kio.Own
local kio = {}

---A datagram socket, in kio.net: `udp`. Never waits, and needs no task.
---@param address? kio.Address what it is bound to; nil: the kernel chooses with the first message
---@param options? kio.UdpOptions
---@return kio.Udp|nil udp
---@return string? message
---@return string? code
function kio.net_udp(address, options) end

---The handle that suits a socket made elsewhere; see listener, stream, datagram of kio.net.
---@param fd kio.Fd
---@param kind? "listener"|"stream"|"udp"
---@return kio.Listener|kio.Stream|kio.Udp|nil handle
---@return string? message
---@return string? code
function kio.net_adopt(fd, kind) end

---How many descriptors the service manager has handed over, from 3 on; see systemd_listeners.
---@return integer count
---@return string|nil names
function kio.net_activation() end

---One sendmsg(2) with descriptors; see send_fds.
---@async
---@param handle kio.Stream|kio.Udp
---@param data string
---@param list (kio.Fd|table|userdata)[]
---@param options? kio.Options
---@return integer|false|nil taken false: the stream has output to flush before
---@return string? message
---@return string? code
function kio.fds_send(handle, data, list, options) end
