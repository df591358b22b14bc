/* What kio.run shares with the other rooms that run a scheduler. */
#ifndef KIO_RUN_RUN_H
#define KIO_RUN_RUN_H

#include "task/sched.h"

/* Pushes a userdata for a scheduler that is not open yet; its finalizer ends it. */
kio_sched *kio_run_new_sched(lua_State *L);

#endif
