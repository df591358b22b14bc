/* Spawning as Lua sees it: spawn(f, ...) or spawn{ f, ..., name =, daemon =,
   on_error = }. */
#ifndef KIO_RUN_TASK_LUA_H
#define KIO_RUN_TASK_LUA_H

#include <lua.h>

#include "task/task.h"

/* Makes a task in `scope` of the arguments from `first` to the top, and pushes its userdata. */
kio_task *kio_spawn(lua_State *L, kio_sched *sched, kio_scope *scope, int first);
/* kio_spawn of a function and its arguments where `sibling` has just been spawned: in its scope, by
   the same line. */
kio_task *kio_spawn_beside(lua_State *L, const kio_task *sibling, int first);

#endif
