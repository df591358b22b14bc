---@meta kio.core.own.net
-- What csrc/net has for kio's own Lua half alone.

---@class kio.Own
local kio = {}

---Whether what the listener accepts keeps packets apart.
---@param listener kio.Listener
---@return boolean
function kio.listener_packets(listener) end

---Whether its own close has closed it, and not somebody who has its number.
---@param listener kio.Listener
---@return boolean
function kio.listener_closed(listener) end

---A server accepts from it now, or does not any more: as long as one does it cannot move.
---@param listener kio.Listener
---@param served boolean
function kio.listener_served(listener, served) end

---The next connection, for loops: the kernel goes on accepting while one waits for it.
---@async
---@param listener kio.Listener
---@return kio.Stream|nil stream
---@return kio.Address|string peer or a message
---@return string? code
function kio.listener_next(listener) end

---Whether listener_next makes requests that bring many connections, in this run.
---@return boolean
function kio.accepts_many() end

---How long nothing has moved on a stream although a task waits for its peer.
---@param stream kio.Stream
---@return number seconds 0 when no task does
function kio.stream_idle(stream) end

---From now on nobody reads from the stream and nothing may come: what comes, or the end, closes it.
---A read goes on where this has begun.
---@param stream kio.Stream
---@return boolean rests false: something has come, or it has failed, or is in use
function kio.stream_rest(stream) end

---The same as stream_rests; and what comes from now on is for who reads.
---@param stream kio.Stream
---@return boolean rests
function kio.stream_rouse(stream) end

---@param stream kio.Stream
---@return boolean rests whether nothing has come or gone wrong, and nobody uses it
function kio.stream_rests(stream) end
---A task that waits for the first byte of what may as well never come, by another rock's reader, is
---told that its time is over. Does nothing to others.
---@param stream kio.Stream
function kio.stream_hurry(stream) end

---What a method of a stream needs to know that sends on its own.
---@param stream kio.Stream
---@return boolean direct whether the stream's bytes are its descriptor's
---@return string name what messages call it
---@return number? timeout its own, in seconds
---@return integer mark bytes it gathers before a writer waits
function kio.stream_way(stream) end

---Puts a filter under a stream: docs/filters.md.
---@param stream kio.Stream
---@param filter userdata of the metatable "kio.Filter"
---@return kio.Stream|nil stream
---@return string? message
---@return string? code
function kio.stream_filter(stream, filter) end

---Waits until the filter of a stream is ready.
---@async
---@param stream kio.Stream
---@param options? kio.Options
---@return kio.Stream|nil stream
---@return string? message
---@return string? code "ECONNRESET" when the peer ends before
function kio.stream_handshake(stream, options) end

---Sends what the kernel has in memory of a part of a file, at most 256 KiB, and never waits.
---@param stream kio.Stream
---@param file kio.Fd
---@param offset integer
---@param size integer
---@param reserved? boolean the stream's output is the caller's
---@return integer|false|nil sent fewer than `size`: there is no room for more, or they are for the
---next call; false: it must be read first
---@return string? message
---@return string? code
function kio.stream_send_cached(stream, file, offset, size, reserved) end

---Keeps others from writing to a stream, or no longer; raises when another task writes.
---@param stream kio.Stream
---@param reserve boolean
function kio.stream_reserve(stream, reserve) end

---kio.net.connect to an address that is no name.
---@async
---@param address kio.Address
---@param options? kio.ConnectOptions but for attempt_delay
---@return kio.Stream|false|nil stream false: the host is a name, and all else is right
---@return string? message
---@return string? code
function kio.net_connect(address, options) end

---kio.net.listen on an address that is no name.
---@param address kio.Address
---@param options? kio.ListenOptions
---@return kio.Listener|false|nil listener false: the host is a name, and all else is right
---@return string? message
---@return string? code
function kio.net_listen(address, options) end

---getaddrinfo(3): each address with its port. kio.net.resolve is made of it.
---@async
---@param name string
---@param service string a port's number or a service's name
---@param family? "any"|"inet"|"inet6"
---@param type? "stream"|"datagram"
---@param options? kio.Options
---@return kio.Address[]|nil
---@return string? message
---@return string? code
function kio.net_lookup(name, service, family, type, options) end

---What kind of address a text is; nil and what is wrong with it.
---@param text string
---@return "numeric"|"name"|nil
---@return string? wrong
function kio.net_parse(text) end
