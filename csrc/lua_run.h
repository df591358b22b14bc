/* What kio.run shares with the other rooms that run a scheduler. */
#ifndef KIO_LUA_RUN_H
#define KIO_LUA_RUN_H

#include "sched.h"

/* Pushes a userdata for a scheduler that is not open yet; its finalizer ends it. */
kio_sched *kio_run_new_sched(lua_State *L);

#endif
