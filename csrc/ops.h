/* What each room brings to the module: its table of Lua functions, and what must be made once in
   each Lua state. lua_core.c puts them together. */
#ifndef KIO_OPS_H
#define KIO_OPS_H

#include <lauxlib.h>

extern const luaL_Reg kio_file_ops[];     /* op_file.c: open descriptors */
extern const luaL_Reg kio_path_ops[];     /* op_path.c: names in directories */
extern const luaL_Reg kio_socket_ops[];   /* op_socket.c: sockets by descriptor */
extern const luaL_Reg kio_wait_ops[];     /* op_wait.c: time, readiness, close, cancel */
extern const luaL_Reg kio_dir_ops[];      /* lua_dir.c: names, by way of the pool */
extern const luaL_Reg kio_plain_ops[];    /* lua_plain.c: calls that never wait */
extern const luaL_Reg kio_misuse_ops[];   /* misuse.c: which files are kio's own */
extern const luaL_Reg kio_task_ops[];     /* lua_task.c: tasks */
extern const luaL_Reg kio_queue_ops[];    /* lua_queue.c: what kio.sync is made of */
extern const luaL_Reg kio_scope_ops[];    /* lua_scope.c: scope, timeout, deadline, shield */
extern const luaL_Reg kio_run_ops[];      /* lua_run.c: run, check */
extern const luaL_Reg kio_inspect_ops[];  /* lua_inspect.c: what goes on */
extern const luaL_Reg kio_rig_ops[];      /* lua_rig.c: what kio.testing needs */
extern const luaL_Reg kio_buffer_ops[];   /* lua_buffer.c: buffer */
extern const luaL_Reg kio_listener_ops[]; /* lua_listener.c */
extern const luaL_Reg kio_net_ops[];      /* lua_net.c: connect and listen */
extern const luaL_Reg kio_process_ops[];  /* lua_process.c: starting and ending programs */
extern const luaL_Reg kio_standard_ops[]; /* lua_standard.c: streams on what is open already */
extern const luaL_Reg kio_signal_ops[];   /* lua_signal.c: waiting for signals */
extern const luaL_Reg kio_serve_ops[];    /* lua_serve.c: what serving needs */
extern const luaL_Reg kio_fds_ops[];      /* lua_fds.c: descriptors over Unix sockets */
extern const luaL_Reg kio_adopt_ops[];    /* lua_adopt.c: sockets of unknown origin */
extern const luaL_Reg kio_udp_ops[];      /* lua_udp.c: sockets that keep messages apart */
extern const luaL_Reg kio_runtime_ops[];  /* lua_runtime.c: workers of one's own */
extern const luaL_Reg kio_resolve_ops[];  /* lua_resolve.c: looking names up */
extern const luaL_Reg kio_blocking_ops[]; /* lua_blocking.c: functions that block */
extern const luaL_Reg kio_channel_ops[];  /* lua_channel.c: channels between workers */
extern const luaL_Reg kio_event_ops[];    /* lua_event.c: events between workers */
extern const luaL_Reg kio_thread_ops[];   /* lua_thread.c: functions on other workers, stop */
#ifdef KIO_TEST
extern const luaL_Reg kio_test_ops[];     /* test_hooks.c: for specs */
extern const luaL_Reg kio_test_job_ops[]; /* test_job.c: jobs that wait as told */
#endif

/* Makes the metatable of a userdata that only the collector meets. */
static inline void kio_new_hidden_type(lua_State *L, const char *name, lua_CFunction gc) {
  luaL_newmetatable(L, name);
  lua_pushcfunction(L, gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
}

void kio_task_open_methods(lua_State *L); /* lua_task.c: the methods of tasks */
void kio_queue_open(lua_State *L);        /* lua_queue.c: the metatables of queues */
void kio_scope_open_type(lua_State *L);   /* lua_scope.c: the metatable of scopes */
void kio_errand_open(lua_State *L);       /* lua_errand.c: what holds functions on their way */
void kio_runtime_open(lua_State *L);      /* lua_runtime.c: the metatable of runtimes */
void kio_await_open(lua_State *L);        /* lua_await.c: what holds waits for other threads */
void kio_channel_open(lua_State *L);      /* lua_channel.c: the metatable of channels */
void kio_event_open(lua_State *L);        /* lua_event.c: the metatable of events */
void kio_call_open(lua_State *L);         /* op_job.c: what holds calls on the pool */
void kio_fds_open(lua_State *L);          /* lua_fds.c: the metatable of those that have come */
void kio_rig_open(lua_State *L);          /* lua_rig.c: the metatable of faults */
void kio_run_open(lua_State *L);          /* lua_run.c: the scheduler's finalizer */
void kio_process_open(lua_State *L);      /* lua_process.c: the metatable of children */
void kio_signal_open(lua_State *L);       /* lua_signal.c: the metatable of watches */
void kio_listener_open(lua_State *L);     /* lua_listener.c: pushes the table of methods */
void kio_constants_open(lua_State *L);    /* lua_plain.c: the field `const` of the table on top */
void kio_coroutine_open(lua_State *L);    /* lua_coroutine.c: replaces Lua's coroutine functions */

#endif
