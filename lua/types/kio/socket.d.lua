---@meta kio.core.socket
-- Sockets by descriptor (csrc/op/socket.c, csrc/op/message.c, csrc/op/plain.c).
-- The conventions are those at the head of kio.d.lua.

---@class kio.Public
local kio = {}

---An address as text: "127.0.0.1:80", "[::1]:80", "[fe80::1%2]:80", "localhost:80" (127.0.0.1),
---"unix:/path", "unix:@abstract". kio.net.connect and listen take other names, too.
---@alias kio.Address string

---See accept4(2).
---@async
---@param fd kio.Fd
---@param options? kio.Options
---@return kio.Fd|nil fd
---@return kio.Address|string peer or the message
---@return string? code
function kio.accept(fd, options) end

---See connect(2).
---@async
---@param fd kio.Fd
---@param address kio.Address
---@param options? kio.Options
---@return boolean|nil done
---@return string? message
---@return string? code
function kio.connect(fd, address, options) end

---@async
---@param fd kio.Fd
---@param how? "read"|"write"|"both" default both. See shutdown(2)
---@param options? kio.Options
---@return boolean|nil done
---@return string? message
---@return string? code
function kio.shutdown(fd, how, options) end

---@async
---@param fd kio.Fd
---@param size integer
---@param flags? integer MSG_ flags of kio.const. See recv(2)
---@param options? kio.Options
---@return string|nil data nil without a message when the peer has ended
---@return string? message
---@return string? code
function kio.recv(fd, size, flags, options) end

---@async
---@param fd kio.Fd
---@param data string|kio.Buffer
---@param flags? integer MSG_ flags of kio.const. See send(2)
---@param options? kio.Options
---@return integer|nil count
---@return string? message
---@return string? code
function kio.send(fd, data, flags, options) end

---@class kio.MessageOptions: kio.Options
---@field flags? integer MSG_ flags of kio.const
---@field to? kio.Address sendmsg only: where to, for sockets without a connection

---@async
---@param fd kio.Fd
---@param data string|string[] pieces of one message. See sendmsg(2)
---@param options? kio.MessageOptions
---@return integer|nil count
---@return string? message
---@return string? code
function kio.sendmsg(fd, data, options) end

---@async
---@param fd kio.Fd
---@param size integer
---@param options? kio.MessageOptions
---@return string|nil data an empty string may be an empty datagram, or the end of a stream
---@return kio.Address|string|nil peer nil when the socket tells none; or the message
---@return integer|string flags such as MSG_TRUNC; or the code. See recvmsg(2)
function kio.recvmsg(fd, size, options) end

-- ---- calls that never wait, and need no task ----

---@param kind "tcp4"|"tcp6"|"udp4"|"udp6"|"unix"|"unixgram"|"seqpacket" see socket(2)
---@return kio.Fd|nil fd
---@return string? message
---@return string? code
function kio.socket(kind) end

---Two Unix sockets that are connected, see socketpair(2).
---@param type? "stream"|"datagram"|"seqpacket" ("stream")
---@return kio.Fd|nil
---@return kio.Fd|string
---@return string? code
function kio.socketpair(type) end

---@param fd kio.Fd
---@param address kio.Address see bind(2)
---@return boolean|nil done
---@return string? message
---@return string? code
function kio.bind(fd, address) end

---@param fd kio.Fd
---@param backlog? integer connections that may wait (1024; the kernel's somaxconn caps it)
---@return boolean|nil done
---@return string? message
---@return string? code
function kio.listen(fd, backlog) end

---@param fd kio.Fd
---@return kio.Address|nil
---@return string? message
---@return string? code
function kio.getsockname(fd) end

---@param fd kio.Fd
---@return kio.Address|nil
---@return string? message
---@return string? code
function kio.getpeername(fd) end
