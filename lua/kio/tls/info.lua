---What is known of a connection: stream:tls().
local _ENV = require "kio.core".globals
local core = require "kio.tls.loaded"

---@class kio.tls.Certificate
---@field subject string as RFC 2253 writes it
---@field issuer string
---@field names string[] hosts and addresses it is for
---@field not_before integer as os.time counts
---@field not_after integer
---@field sha256 string its digest, in hexadecimal
---@field pem string
---@field chain? kio.tls.Certificate[] the others that the peer has sent

---@class kio.tls.Info
---@field version "TLSv1.2"|"TLSv1.3"
---@field cipher string
---@field name? string the host that the client has asked for
---@field alpn? string the application protocol
---@field resumed boolean it goes on with an earlier session
---@field verified boolean the peer's certificate was looked at, and is good
---@field peer? kio.tls.Certificate

---@param stream kio.Stream
---@return kio.tls.Info|nil
return function(stream)
  local info = core.info(stream)
  if not info then return nil end
  ---What binds another protocol's authentication to this connection: RFC 5929, RFC 9266.
  ---@param kind "tls-server-end-point"|"tls-exporter"
  ---@return string|nil bytes
  function info.binding(_, kind) return core.binding(stream, kind) end
  return info
end
