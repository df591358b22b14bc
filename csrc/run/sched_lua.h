
#include "task/task.h"
/* The scheduler as Lua keeps it: a userdata whose finalizer ends the run. */
#ifndef KIO_RUN_SCHED_LUA_H
#define KIO_RUN_SCHED_LUA_H

/* Pushes a userdata for a scheduler that is not open yet; its finalizer ends it. */
kio_sched *kio_sched_push_new(lua_State *L);

#endif
