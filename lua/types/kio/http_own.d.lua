---@meta kio.http.core
-- The half of kio.http that is written in C, for its Lua half alone. The conventions are those at
-- the head of kio.d.lua. A timeout of nil is the stream's own (stream:set_timeout). Failures of the
-- peer's making have code "EPROTO" (a rule broken), "EMSGSIZE" (a limit) or "ENODATA" (an early
-- end); requests also a status to answer with, nil when there is nobody to answer.

---@class kio.http.Limits: userdata what heads and bodies may have

---@class kio.http.Core
local core = {}

---@class kio.http.LimitOptions
---@field max_head? integer bytes of a head: 16384
---@field max_fields? integer 100
---@field max_target? integer bytes of a request's target: 8192
---@field max_trailers? integer bytes: 4096

---@param options? kio.http.LimitOptions
---@return kio.http.Limits
function core.limits(options) end

---What a request or a response begins with. The strings are made when they are asked for.
---@class kio.http.Head: userdata
---@field method string|nil of a request
---@field target string|nil as it was sent
---@field path string|nil of the target, not decoded; "*" for "*", "" for CONNECT
---@field query string|nil what is behind its "?"
---@field authority string|nil of the target, else of Host
---@field version "1.0"|"1.1"
---@field status integer|nil of a response
---@field reason string|nil of a response
---@field headers kio.http.Headers
---@field body "none"|"length"|"chunked"|"close" how the body ends
---@field length integer|nil of the body, when that is declared, or "none" (0)
---@field keep_alive boolean whether the connection may go on after it
---@field expect_continue boolean whether the peer waits for "100 Continue"
---@field upgrade string|nil the Upgrade header, when Connection names it
local head = {}

---As sent.
---@return { [1]: string, [2]: string }[]
function head:list() end

---The values of the fields of this name, in any case, as sent.
---@param name string
---@return string[]
function head:all(name) end

---Many of its fields at once, for the price of one.
---@return string method, string path, string|nil query, string body, integer|nil length
---@return boolean keep_alive, boolean expect_continue, string|nil upgrade, string version
function head:facts() end

---An __index for tables: first what the head that stands in their field `head` says of a request:
---method, target, path, query, authority, version, headers.
---@param methods table<string, function>
---@param other fun(self: table, key: any): any what knows all other keys
---@return fun(self: table, key: any): any
function core.head_indexer(methods, other) end

---Fields by name, in any case; repeated ones joined by ", ". pairs() gives each as it was sent.
---@class kio.http.Headers: userdata
---@field [string] string|nil

---@async
---@param stream kio.Stream
---@param limits kio.http.Limits
---@param idle_timeout? number for the first byte: "ETIMEDOUT" without a status
---@param head_timeout? number from there on, for the whole head: "ETIMEDOUT", 408
---@return kio.http.Head|nil head nil alone: the peer has ended before the first byte
---@return string? message
---@return string? code
---@return integer? status
function core.read_request(stream, limits, idle_timeout, head_timeout) end

---read_request for one connection, where each read costs less. Only its own task may call it.
---@param limits kio.http.Limits
---@param idle_timeout number|nil
---@param head_timeout number|nil
---@return async fun(stream: kio.Stream, idle_timeout: number?): ...: any
function core.requests(limits, idle_timeout, head_timeout) end

---@async
---@param stream kio.Stream
---@param limits kio.http.Limits
---@param method string of the request, which says whether a body follows
---@param timeout? number for the whole head
---@return kio.http.Head|nil head also of 1xx; nil alone: the peer has ended before the first byte
---@return string? message
---@return string? code
function core.read_response(stream, limits, method, timeout) end

---What is left of a body.
---@class kio.http.Body: userdata
---@field ended boolean whether all of it was read
---@field received integer bytes that were read, without those of chunks' framing
local body = {}

---The trailers, when all was read and there were any.
---@return kio.http.Headers|nil
function body:trailers() end

---@param head kio.http.Head
---@param max? integer bytes it may have: more is "EMSGSIZE", 413
---@return kio.http.Body
function core.body(head, max) end

---What comes next of a body, as soon as there is something.
---@async
---@param stream kio.Stream
---@param body kio.http.Body
---@param size? integer at most so many bytes
---@param timeout? number 408
---@return string|nil bytes nil alone: its end
---@return string? message
---@return string? code
---@return integer? status
function core.read_body(stream, body, size, timeout) end

---A body whose length is declared, when all of it is there already: what else reads it finds its
---end then.
---@param stream kio.Stream
---@param head kio.http.Head
---@param max number bytes it may have at most
---@param ... any
---@return string|false|nil bytes false: it has to be waited for, or more was given that is not nil
---@return string? message
---@return string? code
function core.take_body(stream, head, max, ...) end

---Fields by name, or { name, value } each in a list; a value may be a list of values.
---@alias kio.http.Fields table<string|integer, string|number|table>

---Fields as they are sent, each with its CRLF. Raises misuse for what would break a head.
---@param headers kio.http.Fields
---@return string
function core.encode_fields(headers) end

---What writes a short string as a chunk of a response of this class, when that has a body in chunks
---and nothing has to be waited for; false: nothing was written, for whatever reason.
---@param class table
---@return fun(response: table, ...: any): boolean
function core.chunks_of(class) end

---Writes the head of a response, and its body when that is short. What cannot be sent raises: with
---the line of the handler that has returned it, else the caller's.
---@param stream kio.Stream
---@param head kio.http.Head|nil of the request; nil: it could not be read, and nothing may follow
---@param status integer
---@param headers table|nil as for encode_fields
---@param body string|integer|nil all of it, its size, or nil when it comes in pieces
---@param may_go_on boolean whether another request may follow
---@param read any whether the body of the request has begun to be read
---@param server string|nil the Server field
---@param handler function|nil
---@return boolean simple the whole answer was written, another request may follow, and this one
---had no body; there are no other results then
---@return boolean|nil plain whether, when another request may follow, this one had no body; nil:
---none may
---@return string|nil text what could not be written without waiting, or at all
---@return string|nil rest a body that is longer, to be written behind it
---@return "length"|"chunked"|"close"|"head"|"none"|nil framing of a body that comes later. "head":
---it is not sent; "none": there is none
---@return integer? left bytes of a declared length
function core.answer(stream, head, status, headers, body, may_go_on, read, server, handler) end

---What answers with an open file say of it; nil: it cannot be asked.
---@param fd kio.Fd
---@return kio.http.About|nil
function core.file_about(fd) end

---core.answer for what a handler has returned, in place of status, headers and body.
---@return boolean|nil simple nil: it is no body that is a string, with a status and fields or not
---@return ...
function core.reply(stream, head, status, headers, body, may_go_on, read, server, handler) end

return core
