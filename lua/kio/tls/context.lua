---Contexts: options, read and checked, become a config of OpenSSL's that no one changes any more.
local _ENV = require "kio.core".globals
local check = require "kio.check"
local chooser = require "kio.tls.chooser"
local core = require "kio.tls.loaded"
local own = require "kio.core".own

local context = {}

---@class kio.tls.Context: userdata
local Context = core.context_methods

---@class kio.tls.Hello what a client's hello asks for
---@field name? string the host
---@field alpn string[] application protocols

---Says what a client is served by; nil: it is refused.
---@alias kio.tls.Chooser async fun(name?: string, hello: kio.tls.Hello): kio.tls.Context?

---@class kio.tls.Options
---@field cert? string certificates, its own first: PEM, or a file of that
---@field key? string its key, likewise (in `cert`)
---@field passphrase? string|fun(): string for an encrypted key
---@field ca? string|string[] whose certificates are trusted, PEM or files (the system's list)
---@field client? "request"|"require" a server asks its clients for certificates
---@field verify? boolean false: a client takes any certificate from anybody (true)
---@field truncation? "error"|"end" what an end without the peer's close_notify is ("error")
---@field sni? table<string, kio.tls.Context>|kio.tls.Chooser contexts of a server by the host that
---is asked for, "*.a.org" among them
---@field alpn? string[] application protocols, the best first
---@field min? "1.2"|"1.3" the least version ("1.2")
---@field max? "1.2"|"1.3" the highest
---@field ciphers? string as OpenSSL lists them; names that begin with TLS_ are those of TLS 1.3
---@field tickets? integer tickets for a full handshake, 0: no resumption (2)
---@field ticket_keys? string[] of 80 bytes each: the first seals tickets, all open them (random)
---@field ocsp? string an OCSP response, DER, to staple; "require": a client wants a good one
---@field handshake? "auto"|"pool"|"loop" where a server's handshakes are computed ("auto")

---The options, and the types of their values.
context.known = {
  cert = "string", key = "string", passphrase = "any", ca = "any", client = "string",
  verify = "boolean", truncation = "string", sni = "any", alpn = "table", min = "string",
  max = "string", ciphers = "string", tickets = "number", ticket_keys = "table", ocsp = "string",
  handshake = "string",
}

local CHOICES = {
  client = { request = true, require = true }, truncation = { error = true, ["end"] = true },
  min = { ["1.2"] = true, ["1.3"] = true }, max = { ["1.2"] = true, ["1.3"] = true },
  handshake = { auto = true, pool = true, loop = true },
}

function context.is_context(value)
  local meta = type(value) == "userdata" and getmetatable(value)
  return meta and rawget(meta, "__name") == "kio.tls.Context"
end

-- ---- what is wrong with options ----

local function wrong_choice(options)
  for name, choices in pairs(CHOICES) do
    if options[name] ~= nil and not choices[options[name]] then
      local list = {}
      for choice in pairs(choices) do list[#list + 1] = string.format("%q", choice) end
      table.sort(list)
      return string.format("option '%s' must be %s", name, table.concat(list, " or "))
    end
  end
end

local function is_list(list, fits)
  local count = 0
  for _ in pairs(list) do count = count + 1 end
  for i = 1, #list do if not fits(list[i]) then return false end end
  return count == #list and count > 0
end

local function is_protocol(value)
  return type(value) == "string" and #value >= 1 and #value <= 255
end

local PROTOCOLS_MAX = 1 << 14 -- bytes of them: a hello has room for more, but not for much

local function are_protocols(protocols)
  local size = 0
  if not is_list(protocols, is_protocol) then return false end
  for _, name in ipairs(protocols) do size = size + 1 + #name end
  return size <= PROTOCOLS_MAX
end

local function is_ticket_key(value) return type(value) == "string" and #value == 80 end

local function is_text(value) return type(value) == "string" end

-- A name or text that goes on behind a zero byte, where it would end for who reads it.
local function with_zero(options)
  local function is_cut(text) return type(text) == "string" and string.find(text, "\0", 1, true) end
  for _, name in ipairs { "cert", "key", "passphrase", "ca", "ciphers" } do
    local value = options[name]
    for _, each in ipairs(type(value) == "table" and value or { value }) do
      if is_cut(each) then return string.format("option '%s' cannot contain a zero byte", name) end
    end
  end
end

local function wrong_names(sni)
  if type(sni) == "function" or sni == nil then return nil end
  if type(sni) ~= "table" then return "option 'sni' must be a table of contexts or a function" end
  for name, value in pairs(sni) do
    if type(name) ~= "string" or name == "" or string.find(name, "[%z\1-\32*]", 2) then
      return "option 'sni' must have names of hosts as its keys"
    elseif not context.is_context(value) then
      return string.format("option 'sni' has no context for '%s'", name)
    end
  end
end

local function wrong_credentials(options)
  local passphrase, ca = options.passphrase, options.ca
  if options.key and not options.cert then return "option 'key' needs 'cert'" end
  if passphrase ~= nil and type(passphrase) ~= "string" and type(passphrase) ~= "function" then
    return "option 'passphrase' must be a string or a function"
  end
  local is_fit = ca == nil or type(ca) == "string" or type(ca) == "table" and is_list(ca, is_text)
  if not is_fit then
    return "option 'ca' must be a string or a list of them"
  elseif options.client and not ca then
    return "option 'client' needs 'ca': whose certificates clients may have"
  end
end

-- What is wrong with options whose types are right; nil: nothing.
local function wrong_options(options)
  local tickets = options.tickets
  if options.alpn and not are_protocols(options.alpn) then
    return "option 'alpn' must be a list of protocols, of 1 to 255 bytes each and 16 KiB in all"
  elseif options.ticket_keys and not is_list(options.ticket_keys, is_ticket_key) then
    return "option 'ticket_keys' must be a list of strings of 80 bytes"
  elseif tickets and not (math.tointeger(tickets) and tickets <= 100) then
    return "option 'tickets' must be an integer from 0 to 100"
  elseif options.ocsp == "" then
    return "option 'ocsp' must be a response (DER), or \"require\""
  end
  return wrong_choice(options) or wrong_credentials(options) or with_zero(options)
    or wrong_names(options.sni)
end

-- ---- what they come to ----

-- f(...) when there is a value for it; else all is well.
local function given(value, f, ...)
  if not value then return true end
  return f(...)
end

-- A text that is PEM, or that of the file of this name.
local function read(text)
  if string.find(text, "-----BEGIN", 1, true) then return text end
  local file, message, number = io.open(text, "rb")
  if not file then return nil, message, own.error_name(number) end
  local content
  content, message, number = file:read "a"
  file:close()
  if not content then return nil, string.format("%s: %s", text, message), own.error_name(number) end
  return content
end

local KEYLESS = "cert: its private key is missing: in the same text, or by option 'key'"

local function set_identity(draft, options)
  local cert, message, code = read(options.cert)
  if not cert then return nil, message, code end
  local key = cert
  if options.key then key, message, code = read(options.key) end
  if not key then return nil, message, code end
  if not string.find(key, "PRIVATE KEY-----", 1, true) then
    return nil, options.key and "key: no private key in it" or KEYLESS, "TLS_CERT"
  end
  local passphrase = options.passphrase
  local asked = type(passphrase) == "function" and string.find(key, "ENCRYPTED", 1, true)
  if asked then passphrase = passphrase() end
  if type(passphrase) ~= "string" then passphrase = nil
  elseif string.find(passphrase, "\0", 1, true) then
    return nil, "key: a passphrase cannot contain a zero byte", "TLS_CERT"
  end
  return core.identity(draft, cert, key, passphrase)
end

local function set_trust(draft, options)
  local ca = options.ca
  if not ca then return given(options.verify ~= false, core.trust, draft) end
  for _, each in ipairs(type(ca) == "table" and ca or { ca }) do
    local pem, message, code = read(each)
    if pem then pem, message, code = core.trust(draft, pem) end
    if not pem then return nil, "ca: " .. message, code end
  end
  return true
end

local function wire_of(protocols)
  local list = {}
  for i, name in ipairs(protocols) do list[i] = string.pack("s1", name) end
  return table.concat(list)
end

local function set_names(draft, options)
  if type(options.sni) ~= "table" then return true end
  for name, value in pairs(options.sni) do
    local fine, message, code = core.name(draft, name, value)
    if not fine then return nil, message, code end
  end
  return true
end

local function function_of(options)
  return type(options.sni) == "function" and options.sni or nil
end

local STEPS = {
  function(draft, options) return given(options.cert, set_identity, draft, options) end,
  set_trust,
  function(draft, options) return core.versions(draft, options.min, options.max) end,
  function(draft, options) return given(options.ciphers, core.ciphers, draft, options.ciphers) end,
  function(draft, options)
    return given(options.alpn, core.protocols, draft, options.alpn and wire_of(options.alpn))
  end,
  function(draft, options)
    local keys = table.concat(options.ticket_keys or {})
    return core.tickets(draft, math.tointeger(options.tickets or 2), keys)
  end,
  function(draft, options)
    local staples = options.ocsp and options.ocsp ~= "require"
    return given(staples, core.staple, draft, options.ocsp)
  end,
  set_names,
  function(draft, options)
    return core.settle(draft, options.client, options.handshake, options.verify == false,
      options.truncation == "end", function_of(options) and chooser.worker(),
      options.ocsp == "require")
  end,
}

-- nil, message, code when what is named by the options cannot be used.
local function draft_of(options)
  local draft = core.draft()
  for _, step in ipairs(STEPS) do
    local fine, message, code = step(draft, options)
    if not fine then return nil, "context: " .. message, code end
  end
  return draft
end

-- Options that have been checked; `index`, `name`: of the function that got them.
function context.checked(options, index, name, ...)
  options = check.options(options, index, name, context.known, ...) or {}
  for key, value in pairs(options) do options[key] = check.copy(value) end -- lists of any kind
  local wrong = wrong_options(options)
  if wrong then check.refuse(index, name, wrong) end
  return options
end

---A context of options that have been checked.
---@return kio.tls.Context|nil context
---@return string? message
---@return string? code
function context.make(options)
  local draft, message, code = draft_of(options)
  if not draft then return nil, message, code end
  local made = core.context(draft)
  chooser.keep(made, function_of(options))
  return made
end

---What handshakes go by. Any number of connections and all workers may use one; it never changes,
---but for `replace`. Files are read at once, also outside of tasks.
---@param options? kio.tls.Options
---@return kio.tls.Context|nil context
---@return string? message
---@return string? code
function context.new(options, ...)
  return context.make(context.checked(options, 1, "context", ...))
end

---Handshakes that begin from now on go by these options, on all workers; connections go on as they
---are. When it fails all stays as it was.
---@param options kio.tls.Options
---@return boolean|nil done
---@return string? message
---@return string? code
function Context:replace(options, ...)
  check.self(self, "kio.tls.Context", "replace")
  options = context.checked(options, 1, "replace", ...)
  local draft, message, code = draft_of(options)
  if not draft then return nil, message, code end
  core.replace(self, draft)
  chooser.keep(self, function_of(options))
  return true
end

return context
