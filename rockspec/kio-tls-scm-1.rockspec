rockspec_format = "3.0"
package = "kio-tls"
version = "scm-1"
source = {
  url = "git+file:.",
}
description = {
  summary = "TLS for kio, an io_uring runtime for Lua",
  detailed = "Clients that verify by default; servers with names, sessions and certificates that "
    .. "are replaced while they run; by OpenSSL 3. A stream with TLS is a kio.Stream.",
  license = "MIT",
}
supported_platforms = { "linux" }
dependencies = {
  "lua >= 5.4, < 5.6",
  "kio",
}
external_dependencies = {
  OPENSSL = { header = "openssl/ssl.h", library = "ssl" },
}
build = {
  type = "builtin",
  modules = {
    ["kio.tls.core"] = {
      sources = {
        "csrc/tls/config.c",
        "csrc/tls/context.c",
        "csrc/tls/context_lua.c",
        "csrc/tls/core.c",
        "csrc/tls/draft_lua.c",
        "csrc/tls/engine.c",
        "csrc/tls/face.c",
        "csrc/tls/hooks.c",
        "csrc/tls/names.c",
        "csrc/tls/peer.c",
        "csrc/tls/staple.c",
        "csrc/tls/stream_lua.c",
        "csrc/tls/ticket.c",
        "csrc/tls/words.c",
      },
      defines = { "_GNU_SOURCE" },
      libraries = { "ssl", "crypto" },
      incdirs = { "csrc", "$(OPENSSL_INCDIR)" },
      libdirs = { "$(OPENSSL_LIBDIR)" },
    },
    ["kio.tls"] = "lua/kio/tls/init.lua",
    ["kio.tls.chooser"] = "lua/kio/tls/chooser.lua",
    ["kio.tls.connect"] = "lua/kio/tls/connect.lua",
    ["kio.tls.context"] = "lua/kio/tls/context.lua",
    ["kio.tls.handshake"] = "lua/kio/tls/handshake.lua",
    ["kio.tls.places"] = "lua/kio/tls/places.lua",
    ["kio.tls.info"] = "lua/kio/tls/info.lua",
    ["kio.tls.loaded"] = "lua/kio/tls/loaded.lua",
    ["kio.tls.serving"] = "lua/kio/tls/serving.lua",
  },
}
test = {
  type = "command",
  command = "make test",
}
