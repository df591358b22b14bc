-- Certificates for specs, made in this process when they are needed: nothing in the tree expires.
-- Every certificate is one of the authority unless it says otherwise.
local material = {}

-- kio.tls; nil and why specs of it cannot run here.
function material.find()
  local found, tls = pcall(require, "kio.tls")
  if found then return tls end
  local absent = tostring(tls):find "kio.tls needs"
  if absent then return nil, "kio.tls is not built: it needs OpenSSL 3" end
  error(tls, 0)
end

local authority

-- The certificate of the authority, PEM, and its key.
function material.authority()
  if not authority then
    local make = require "kio.tls.core".test_certificate
    authority = table.pack(make { cn = "kio test authority", ca = 1 })
  end
  return authority[1], authority[2]
end

function material.ca() return (material.authority()) end

local made = {}

-- A certificate and its key, { cert =, key = }. `how`: names ("DNS:a.org, IP:127.0.0.1"), cn, key
-- ("ec", "rsa"), from and days (from now), self (signed by itself), passphrase.
function material.leaf(how)
  how = how or { names = "DNS:localhost, IP:127.0.0.1" }
  local parts = {}
  for key, value in pairs(how) do parts[#parts + 1] = key .. "=" .. tostring(value) end
  table.sort(parts)
  local id = table.concat(parts, "|")
  if not made[id] then
    local options = {}
    for key, value in pairs(how) do options[key] = value end
    if not how.self then options.issuer, options.issuer_key = material.authority() end
    local cert, key = require "kio.tls.core".test_certificate(options)
    made[id] = { cert = cert, key = key }
  end
  return { cert = made[id].cert, key = made[id].key }
end

-- What the authority says of a leaf's certificate: `how` has status and age.
function material.staple(leaf, how)
  local issuer, key = material.authority()
  how = how or {}
  return require "kio.tls.core".test_staple {
    certificate = leaf.cert, issuer = issuer, issuer_key = key, status = how.status, age = how.age,
  }
end

-- The options of a leaf with others.
function material.options(how, others)
  local options = material.leaf(how)
  for key, value in pairs(others or {}) do options[key] = value end
  return options
end

return material
