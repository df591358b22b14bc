/* What each room brings to the module: its tables of Lua functions, and what must be made once in
   each Lua state. core.c puts them together. */
#ifndef KIO_OP_REGISTRY_H
#define KIO_OP_REGISTRY_H

#include <lauxlib.h>

#include "op/type.h"

/* What kio.core has: the public functions. */
extern const luaL_Reg kio_file_ops[];      /* op/file.c: open descriptors */
extern const luaL_Reg kio_path_ops[];      /* op/path.c: names in directories */
extern const luaL_Reg kio_socket_ops[];    /* op/socket.c: sockets by descriptor */
extern const luaL_Reg kio_wait_ops[];      /* op/wait.c: time, readiness, close, cancel */
extern const luaL_Reg kio_plain_ops[];     /* op/plain.c: calls that never wait */
extern const luaL_Reg kio_traceback_ops[]; /* run/traceback_lua.c: texts and tracebacks of errors */
extern const luaL_Reg kio_task_ops[];      /* run/task_lua.c: tasks */
extern const luaL_Reg kio_scope_ops[];     /* run/scope_lua.c: scope, timeout, deadline, shield */
extern const luaL_Reg kio_inspect_ops[];   /* run/inspect.c: what goes on */
extern const luaL_Reg kio_buffer_ops[];    /* op/buffer.c: buffer */
extern const luaL_Reg kio_blocking_ops[];  /* worker/blocking.c: functions that block */
extern const luaL_Reg kio_thread_ops[];    /* worker/thread_lua.c: ending a run from any worker */

/* What kio.core.own has: the functions for kio's own Lua half. */
extern const luaL_Reg kio_file_own[];     /* op/file_at.c: methods of files */
extern const luaL_Reg kio_path_own[];     /* op/path.c: symbolic links */
extern const luaL_Reg kio_plain_own[];    /* op/plain.c: more of them */
extern const luaL_Reg kio_dir_own[];      /* op/dir.c: names, by way of the pool */
extern const luaL_Reg kio_misuse_own[];   /* op/misuse.c: errors where the program has called */
extern const luaL_Reg kio_task_own[];     /* run/task_lua.c: any value as a text */
extern const luaL_Reg kio_queue_own[];    /* run/queue_lua.c: what kio.sync is made of */
extern const luaL_Reg kio_scope_own[];    /* run/scope_lua.c: failures that go with others */
extern const luaL_Reg kio_gather_own[];   /* run/gather_lua.c: functions at the same time */
extern const luaL_Reg kio_run_own[];      /* run/run.c: run */
extern const luaL_Reg kio_options_own[];  /* run/options.c: what checks of options ask */
extern const luaL_Reg kio_runtime_own[];  /* worker/outside.c: workers of one's own */
extern const luaL_Reg kio_check_own[];    /* run/check.c: what kio.check needs */
extern const luaL_Reg kio_inspect_own[];  /* run/inspect.c: the report */
extern const luaL_Reg kio_rig_own[];      /* run/rig_lua.c: what kio.testing needs */
extern const luaL_Reg kio_read_own[];     /* net/read.c: how reading fails */
extern const luaL_Reg kio_listener_own[]; /* net/listener.c */
extern const luaL_Reg kio_net_own[];      /* net/net.c: connect and listen */
extern const luaL_Reg kio_stream_own[];   /* net/stream_ops.c: what methods in Lua need */
extern const luaL_Reg kio_sends_own[];    /* net/send_file.c: files that the kernel has ready */
extern const luaL_Reg kio_serve_own[];    /* net/serve.c: what serving needs */
extern const luaL_Reg kio_rest_own[];     /* net/rest.c: what pools need */
extern const luaL_Reg kio_standard_own[]; /* net/standard.c: streams on what is open already */
extern const luaL_Reg kio_fds_own[];      /* net/pass.c: descriptors over Unix sockets */
extern const luaL_Reg kio_adopt_own[];    /* net/adopt.c: sockets of unknown origin */
extern const luaL_Reg kio_udp_own[];      /* net/udp.c: sockets that keep messages apart */
extern const luaL_Reg kio_resolve_own[];  /* net/resolve.c: looking names up */
extern const luaL_Reg kio_process_own[];  /* process/process.c: starting and ending programs */
extern const luaL_Reg kio_signal_own[];   /* process/signal_lua.c: waiting for signals */
extern const luaL_Reg kio_channel_own[];  /* worker/channel_lua.c: channels between workers */
extern const luaL_Reg kio_event_own[];    /* worker/event_lua.c: events between workers */
extern const luaL_Reg kio_thread_own[];   /* worker/thread_lua.c: functions of other workers */
#ifdef KIO_TEST
extern const luaL_Reg kio_test_ops[];     /* test/hooks.c: for specs */
extern const luaL_Reg kio_test_job_ops[]; /* test/job.c: jobs that wait as told */
#endif

/* Pushes the weak table that lies in the registry under this address, made when first asked for;
   `mode` is "k" or "v". */
static inline void kio_push_weak(lua_State *L, const void *key, const char *mode) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, key) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushstring(L, mode);
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

/* The types of userdata. */
extern const kio_type kio_task_type;      /* run/task_lua.c */
extern const kio_type kio_cancelled_type; /* run/task_lua.c: what a cancellation raises */
extern const kio_type kio_queue_type;     /* run/queue_lua.c */
extern const kio_type kio_choice_type;    /* run/queue_lua.c: a wait for several things */
extern const kio_type kio_scope_type;     /* run/scope_lua.c */
extern const kio_type kio_sched_type;     /* run/sched_lua.c */
extern const kio_type kio_faults_type;    /* run/rig_lua.c */
extern const kio_type kio_signal_type;    /* process/signal_lua.c: watches */
extern const kio_type kio_process_type;   /* process/process.c: children */
extern const kio_type kio_dir_op_type;    /* op/dir.c: calls outside of tasks */
extern const kio_type kio_buffer_type;    /* op/buffer.c */
extern const kio_type kio_found_type;     /* net/resolve.c: what a lookup has found */
extern const kio_type kio_passed_type;    /* net/passed.c: descriptors on their way */
extern const kio_type kio_filter_type;    /* net/stream_ops.c */
extern const kio_type kio_stream_type;    /* net/types.c */
extern const kio_type kio_udp_type;       /* net/types.c */
extern const kio_type kio_listener_type;  /* net/listener.c */
extern const kio_type kio_runtime_type;   /* worker/outside.c */
extern const kio_type kio_await_type;     /* op/await.c: what holds waits for other threads */
extern const kio_type kio_watch_type;     /* worker/shared_wait.c: one that lasts */
extern const kio_type kio_channel_type;   /* worker/channel_lua.c */
extern const kio_type kio_event_type;     /* worker/event_lua.c */

void kio_constants_open(lua_State *L); /* op/plain.c: the field `const` of the table on top */
void kio_coroutine_open(lua_State *L); /* run/coroutine.c: replaces Lua's coroutine functions */
void kio_globals_open(lua_State *L);   /* run/globals.c: the field `globals` of the table on top */

#endif
