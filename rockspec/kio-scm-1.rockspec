rockspec_format = "3.0"
package = "kio"
version = "scm-1"
source = {
  url = "git+file:.",
}
description = {
  summary = "An io_uring runtime for Lua",
  detailed = "Straight-line Lua code with thousands of concurrent connections, asynchronous files, "
    .. "deadlines, cancellation and several cores, on Linux.",
  license = "MIT",
}
supported_platforms = { "linux" }
dependencies = {
  "lua >= 5.4, < 5.5",
}
external_dependencies = {
  LIBURING = { header = "liburing.h", library = "uring" },
}
build = {
  type = "builtin",
  modules = {
    ["kio.core"] = {
      sources = {
        "csrc/address.c",
        "csrc/buffer.c",
        "csrc/check.c",
        "csrc/desc.c",
        "csrc/errname.c",
        "csrc/memory.c",
        "csrc/op.c",
        "csrc/op_file.c",
        "csrc/op_path.c",
        "csrc/request.c",
        "csrc/ring.c",
        "csrc/ring_uring.c",
        "csrc/sched.c",
        "csrc/scope.c",
        "csrc/task.c",
        "csrc/timer.c",
        "csrc/trace.c",
      },
      defines = { "_GNU_SOURCE" },
      libraries = { "uring", "pthread" },
      incdirs = { "$(LIBURING_INCDIR)" },
      libdirs = { "$(LIBURING_LIBDIR)" },
    },
    ["kio"] = "lua/kio/init.lua",
  },
}
test = {
  type = "command",
  command = "make test",
}
