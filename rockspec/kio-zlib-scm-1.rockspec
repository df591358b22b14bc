rockspec_format = "3.0"
package = "kio-zlib"
version = "scm-1"
source = {
  url = "git+file:.",
}
description = {
  summary = "gzip, zlib and raw deflate for kio, an io_uring runtime for Lua",
  detailed = "Deflating and inflating in steps, with bounds on what comes out, or whole strings: "
    .. "large ones by a thread of the pool, while the loop goes on.",
  license = "MIT",
}
supported_platforms = { "linux" }
dependencies = {
  "lua >= 5.4, < 5.6",
  "kio",
}
external_dependencies = {
  ZLIB = { header = "zlib.h", library = "z" },
}
build = {
  type = "builtin",
  modules = {
    ["kio.zlib.core"] = {
      sources = {
        "csrc/zlib/coder.c",
        "csrc/zlib/coder_lua.c",
        "csrc/zlib/core.c",
        "csrc/zlib/sum_lua.c",
      },
      defines = { "_GNU_SOURCE" },
      libraries = { "z" },
      incdirs = { "csrc", "$(ZLIB_INCDIR)" },
      libdirs = { "$(ZLIB_LIBDIR)" },
    },
    ["kio.zlib"] = "lua/kio/zlib/init.lua",
    ["kio.zlib.loaded"] = "lua/kio/zlib/loaded.lua",
    ["kio.zlib.options"] = "lua/kio/zlib/options.lua",
    ["kio.zlib.whole"] = "lua/kio/zlib/whole.lua",
  },
}
test = {
  type = "command",
  command = "make test",
}
