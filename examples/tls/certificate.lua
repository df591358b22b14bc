-- A certificate for one day, signed by itself, and its key: one text that serves as `cert` of a
-- server and as `ca` of its clients. Real ones come from an authority.
local kio = require "kio"

return function(...)
  local names = {}
  for i, name in ipairs { ... } do
    names[i] = (name:find "^[%d.]+$" and "IP:" or "DNS:") .. name
  end
  local made = assert(kio.process.run {
    "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
    "-days", "1", "-subj", "/CN=" .. ..., "-addext", "subjectAltName=" .. table.concat(names, ","),
    "-keyout", "-", "-out", "-",
  })
  assert(made.code == 0, made.stderr)
  return made.stdout
end
