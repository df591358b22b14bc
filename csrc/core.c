/* The module's door: luaopen_kio_core registers every room's functions. Opening it again, also in
   another Lua state, is harmless: all it makes lies in the registry of the state at hand. */
#include "core.h"

#include "base/number.h"
#include "net/guest.h"
#include "op/registry.h"
#include "run/state.h"
#include "task/result.h"
#include "test/codec.h"
#include "test/filter.h"

/* Room after room; NULL ends the list. */
static void register_all(lua_State *L, const luaL_Reg *const rooms[]) {
  for (; *rooms; rooms++) luaL_setfuncs(L, *rooms, 0);
}

static const luaL_Reg *const public_rooms[] = {
    kio_file_ops,   kio_path_ops,     kio_socket_ops,
    kio_wait_ops,   kio_plain_ops,    kio_traceback_ops,
    kio_task_ops,   kio_scope_ops,    kio_inspect_ops,
    kio_buffer_ops, kio_blocking_ops, kio_thread_ops,
#ifdef KIO_TEST
    kio_test_ops,   kio_test_job_ops,
#endif
    NULL,
};

static const luaL_Reg *const own_rooms[] = {
    kio_file_own,     kio_path_own,    kio_plain_own,
    kio_dir_own,      kio_misuse_own,  kio_task_own,
    kio_queue_own,    kio_scope_own,   kio_rig_own,
    kio_inspect_own,  kio_gather_own,  kio_read_own,
    kio_listener_own, kio_net_own,     kio_serve_own,
    kio_standard_own, kio_fds_own,     kio_adopt_own,
    kio_udp_own,      kio_resolve_own, kio_process_own,
    kio_signal_own,   kio_channel_own, kio_event_own,
    kio_thread_own,   kio_stream_own,  kio_rest_own,
    kio_check_own,    kio_run_own,     kio_options_own,
    kio_runtime_own,  kio_sends_own,   NULL,
};

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

/* For the C of other rocks. */
static void open_guests(lua_State *L) {
  lua_pushlightuserdata(L, (void *)(uintptr_t)&kio_guest_table);
  lua_setfield(L, LUA_REGISTRYINDEX, KIO_GUEST_KEY);
}

/* Pops a table into the field of the one below, and into package.loaded: what is in it is known by
   its name there to other Lua states (codec/known.h). */
static void keep(lua_State *L, const char *field, const char *module) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, module);
  lua_pop(L, 1);
  lua_setfield(L, -2, field);
}

static const kio_type *const types[] = {
    &kio_task_type,    &kio_cancelled_type, &kio_queue_type,   &kio_choice_type,  &kio_scope_type,
    &kio_sched_type,   &kio_faults_type,    &kio_signal_type,  &kio_process_type, &kio_dir_op_type,
    &kio_buffer_type,  &kio_found_type,     &kio_passed_type,  &kio_filter_type,  &kio_stream_type,
    &kio_udp_type,     &kio_listener_type,  &kio_runtime_type, &kio_await_type,   &kio_watch_type,
    &kio_channel_type, &kio_event_type,
};

/* Pushes the table for kio's own Lua half. */
static void push_own(lua_State *L) {
  lua_createtable(L, 0, 80);
  register_all(L, own_rooms);
  kio_type_push_methods(L, &kio_buffer_type);
  keep(L, "buffer_methods", "kio.core.buffer");
  kio_type_push_methods(L, &kio_stream_type);
  keep(L, "stream_methods", "kio.core.stream");
  kio_type_push_methods(L, &kio_listener_type);
  keep(L, "listener_methods", "kio.core.listener");
  kio_type_push_methods(L, &kio_udp_type);
  keep(L, "udp_methods", "kio.core.udp");
}

int luaopen_kio_core(lua_State *L) {
  luaL_checkversion(L);
  check_only_file(L);
  kio_number_fill_standard(); /* the first run reports a failure */
  lua_createtable(L, 0, 80);
  register_all(L, public_rooms);
  kio_state_set_door(L, luaopen_kio_core);
  for (size_t i = 0; i < KIO_COUNT(types); i++) kio_type_open(L, types[i]);
  kio_task_open(L);
  lua_setfield(L, -2, "Cancelled");
  push_own(L);
  keep(L, "own", "kio.core.own");
  open_guests(L);
  kio_constants_open(L);
  kio_coroutine_open(L);
  kio_globals_open(L);
#ifdef KIO_TEST
  kio_test_codec_open(L);
  kio_test_filter_open(L);
#endif
  return 1;
}
