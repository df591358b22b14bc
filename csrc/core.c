/* The module's door: luaopen_kio_core registers every room's functions. Opening it again, also in
   another Lua state, is harmless: all it makes lies in the registry of the state at hand. */
#include "core.h"

#include "base/number.h"
#include "net/stream_lua.h"
#include "net/udp.h"
#include "op/buffer.h"
#include "op/registry.h"
#include "run/state.h"
#include "task/result.h"
#include "test/codec.h"
#ifdef KIO_TEST
#endif

static void register_all(lua_State *L) {
  static const luaL_Reg *const rooms[] = {
      kio_file_ops,     kio_path_ops,     kio_socket_ops,  kio_wait_ops,    kio_plain_ops,
      kio_dir_ops,      kio_task_ops,     kio_queue_ops,   kio_scope_ops,   kio_run_ops,
      kio_listener_ops, kio_net_ops,      kio_serve_ops,   kio_inspect_ops, kio_rig_ops,
      kio_signal_ops,   kio_standard_ops, kio_process_ops, kio_buffer_ops,  kio_udp_ops,
      kio_fds_ops,      kio_adopt_ops,    kio_thread_ops,  kio_runtime_ops, kio_blocking_ops,
      kio_resolve_ops,  kio_channel_ops,  kio_event_ops,   kio_misuse_ops,  kio_trace_ops,
      kio_read_ops,
#ifdef KIO_TEST
      kio_test_ops,     kio_test_job_ops,
#endif
  };
  for (size_t i = 0; i < sizeof rooms / sizeof rooms[0]; i++) luaL_setfuncs(L, rooms[i], 0);
}

/* Two files of this library in one state would share metatables, but neither the functions in them
   nor the scheduler. */
static void check_only_file(lua_State *L) {
  static const char mark;
  int type = lua_getfield(L, LUA_REGISTRYINDEX, "kio.core");
  if (type != LUA_TNIL && lua_touserdata(L, -1) != (const void *)&mark) {
    luaL_error(L, "kio.core: another file of this library is loaded in this Lua state already");
  }
  lua_pushlightuserdata(L, (void *)(uintptr_t)&mark);
  lua_setfield(L, LUA_REGISTRYINDEX, "kio.core");
  lua_pop(L, 1);
}

int luaopen_kio_core(lua_State *L) {
  luaL_checkversion(L);
  check_only_file(L);
  kio_number_fill_standard(); /* a failure is told by the first run */
  lua_createtable(L, 0, 64);
  register_all(L);
  kio_state_set_door(L, luaopen_kio_core);
  kio_task_open(L);
  lua_setfield(L, -2, "Cancelled");
  kio_task_open_methods(L);
  kio_queue_open(L);
  kio_scope_open_type(L);
  kio_sched_open(L);
  kio_signal_open(L);
  kio_process_open(L);
  kio_rig_open(L);
  kio_buffer_open(L);
  lua_setfield(L, -2, "buffer_methods");
  kio_call_open(L);
  kio_fds_open(L);
  kio_errand_open(L);
  kio_runtime_open(L);
  kio_await_open(L);
  kio_channel_open(L);
  kio_event_open(L);
  kio_stream_open(L);
  lua_setfield(L, -2, "stream_methods");
  kio_listener_open(L);
  lua_setfield(L, -2, "listener_methods");
  kio_udp_open(L);
  lua_setfield(L, -2, "udp_methods");
  kio_constants_open(L);
  kio_coroutine_open(L);
  kio_globals_open(L);
#ifdef KIO_TEST
  kio_test_codec_open(L);
#endif
  return 1;
}
