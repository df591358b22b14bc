/* Spawning as Lua sees it: spawn(f, ...) or spawn{ f, ..., name =, daemon =,
   on_error = }. */
#ifndef KIO_LUA_SPAWN_H
#define KIO_LUA_SPAWN_H

#include <lua.h>

#include "task.h"

/* Makes a task in `scope` of the arguments from `first` to the top, and pushes its userdata. */
kio_task *kio_spawn(lua_State *L, kio_sched *sched, kio_scope *scope, int first);

#endif
