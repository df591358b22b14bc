rockspec_format = "3.0"
package = "kio"
version = "scm-1"
source = {
  url = "git+file:.",
}
description = {
  summary = "An io_uring runtime for Lua",
  detailed = "Straight-line Lua code with thousands of concurrent connections, asynchronous files, "
    .. "deadlines and cancellation, on Linux.",
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
  copy_directories = { "docs" },
  modules = {
    ["kio.core"] = {
      sources = {
        "csrc/address.c",
        "csrc/buffer.c",
        "csrc/check.c",
        "csrc/desc.c",
        "csrc/diagnose.c",
        "csrc/errname.c",
        "csrc/lua_core.c",
        "csrc/lua_coroutine.c",
        "csrc/lua_diagnose.c",
        "csrc/lua_dir.c",
        "csrc/lua_guard.c",
        "csrc/lua_inspect.c",
        "csrc/lua_net.c",
        "csrc/lua_plain.c",
        "csrc/lua_queue.c",
        "csrc/lua_read.c",
        "csrc/lua_rig.c",
        "csrc/lua_run.c",
        "csrc/lua_scope.c",
        "csrc/lua_stream.c",
        "csrc/lua_task.c",
        "csrc/machine.c",
        "csrc/memory.c",
        "csrc/op.c",
        "csrc/op_file.c",
        "csrc/op_path.c",
        "csrc/op_socket.c",
        "csrc/op_wait.c",
        "csrc/queue.c",
        "csrc/request.c",
        "csrc/ring.c",
        "csrc/ring_rig.c",
        "csrc/ring_uring.c",
        "csrc/sched.c",
        "csrc/scope.c",
        "csrc/shuffle.c",
        "csrc/socket.c",
        "csrc/stream.c",
        "csrc/task.c",
        "csrc/timer.c",
        "csrc/trace.c",
        "csrc/watchdog.c",
      },
      defines = { "_GNU_SOURCE" },
      libraries = { "uring", "pthread" },
      incdirs = { "$(LIBURING_INCDIR)" },
      libdirs = { "$(LIBURING_LIBDIR)" },
    },
    ["kio"] = "lua/kio/init.lua",
    ["kio.testing"] = "lua/kio/testing.lua",
    ["kio.fs"] = "lua/kio/fs.lua",
    ["kio.fs.base"] = "lua/kio/fs/base.lua",
    ["kio.fs.check"] = "lua/kio/fs/check.lua",
    ["kio.fs.file"] = "lua/kio/fs/file.lua",
    ["kio.fs.formats"] = "lua/kio/fs/formats.lua",
    ["kio.fs.mode"] = "lua/kio/fs/mode.lua",
    ["kio.fs.output"] = "lua/kio/fs/output.lua",
    ["kio.fs.position"] = "lua/kio/fs/position.lua",
    ["kio.fs.replace"] = "lua/kio/fs/replace.lua",
    ["kio.fs.window"] = "lua/kio/fs/window.lua",
    ["kio.group"] = "lua/kio/group.lua",
    ["kio.io"] = "lua/kio/io.lua",
    ["kio.net"] = "lua/kio/net.lua",
    ["kio.stream"] = "lua/kio/stream.lua",
    ["kio.sync"] = "lua/kio/sync.lua",
    ["kio.sync.channel"] = "lua/kio/sync/channel.lua",
    ["kio.sync.check"] = "lua/kio/sync/check.lua",
    ["kio.sync.condition"] = "lua/kio/sync/condition.lua",
    ["kio.sync.event"] = "lua/kio/sync/event.lua",
    ["kio.sync.mutex"] = "lua/kio/sync/mutex.lua",
    ["kio.sync.select"] = "lua/kio/sync/select.lua",
    ["kio.sync.semaphore"] = "lua/kio/sync/semaphore.lua",
    ["kio.sync.waitgroup"] = "lua/kio/sync/waitgroup.lua",
  },
}
test = {
  type = "command",
  command = "make test",
}
