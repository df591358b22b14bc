---@meta kio.tls.core
-- The half of kio.tls that is written in C, for its Lua half alone. The conventions are those at
-- the head of kio.d.lua; failures have the words alone.

---@class kio.tls.Draft: userdata a config that is being made

---@class kio.tls.Core
---@field context_methods kio.tls.Context the methods of contexts, to which the Lua half adds
local core = {}

---@return kio.tls.Draft
function core.draft() end

---@param draft kio.tls.Draft
---@param certificates string PEM, its own first
---@param key string PEM
---@param passphrase? string
---@return boolean|nil done, string? words, string? code
function core.identity(draft, certificates, key, passphrase) end

---@param draft kio.tls.Draft
---@param certificates? string PEM; nil: the system's
---@return boolean|nil done, string? words, string? code
function core.trust(draft, certificates) end

---@param draft kio.tls.Draft
---@param least? "1.2"|"1.3"
---@param most? "1.2"|"1.3"
---@return boolean|nil done, string? words, string? code
function core.versions(draft, least, most) end

---@param draft kio.tls.Draft
---@param list string
---@return boolean|nil done, string? words, string? code
function core.ciphers(draft, list) end

---@param draft kio.tls.Draft
---@param list string each protocol with its length before it
---@return boolean|nil done, string? words, string? code
function core.protocols(draft, list) end

---@param draft kio.tls.Draft
---@param response string DER
---@return boolean|nil done, string? words, string? code
function core.staple(draft, response) end

---@param draft kio.tls.Draft
---@param count integer
---@param keys string 80 bytes each, in one row
---@return boolean|nil done, string? words, string? code
function core.tickets(draft, count, keys) end

---@param draft kio.tls.Draft
---@param pattern string
---@param context kio.tls.Context
---@return boolean|nil done, string? words, string? code
function core.name(draft, pattern, context) end

---The rest, and the end of it.
---@param draft kio.tls.Draft
---@param client? "request"|"require"
---@param where? "auto"|"pool"|"loop"
---@param unverified boolean
---@param quiet_end boolean
---@param asks? integer the worker whose function chooses by a client's hello
---@param staple_required boolean
---@return boolean|nil done, string? words, string? code
function core.settle(draft, client, where, unverified, quiet_end, asks, staple_required) end

---@param draft kio.tls.Draft which is used up
---@return kio.tls.Context
function core.context(draft) end

---@param context kio.tls.Context
---@param draft kio.tls.Draft which is used up
function core.replace(context, draft) end

---Also the __eq of contexts: one that came back from another worker is the same.
---@param one kio.tls.Context
---@param other kio.tls.Context
---@return boolean
function core.same(one, other) end

---@param context kio.tls.Context
---@return boolean
function core.unverified(context) end

---@param context kio.tls.Context
---@return integer|nil mark of the function that chooses by a client's hello; nil: there is none
---@return integer? worker where it was given
function core.asks(context) end

---@param context kio.tls.Context
---@param name? string
---@param is_address boolean
---@param key? string by which sessions are kept
---@return userdata|nil filter, string? words, string? code
function core.client(context, name, is_address, key) end

---@param context kio.tls.Context
---@return userdata|nil filter, string? words, string? code
function core.server(context) end

---@param stream kio.Stream
---@return "ready"|"waiting"|"work"|"choose"|nil state nil: it has no TLS
---@return string? name that the client asks for
---@return string[]? protocols
function core.state(stream) end

---@param stream kio.Stream
---@param context kio.tls.Context|nil
function core.choose(stream, context) end

---The pool does a step of the handshake.
---@async
---@param stream kio.Stream
---@return boolean|nil done
---@return string? message
---@return string? code
function core.work(stream) end

---@param stream kio.Stream
---@param done boolean|nil false: it is done now
function core.worked(stream, done) end

---@param stream kio.Stream
---@return kio.tls.Info|nil
function core.info(stream) end

---@param stream kio.Stream
---@param kind "tls-server-end-point"|"tls-exporter"
---@return string|nil
function core.binding(stream, kind) end

return core
