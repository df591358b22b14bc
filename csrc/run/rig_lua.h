/* What kio.testing asks of kio.run. */
#ifndef KIO_RUN_RIG_LUA_H
#define KIO_RUN_RIG_LUA_H

#include "task/here.h"

/* Reads kio.run's option `testing` (the options are at `index`): puts a rig before the ring that
   has been chosen, and sets its clock, the seed and the time limit; and KIO_CHUNK in the
   environment. Nothing without either. */
void kio_rig_option(lua_State *L, int index, kio_sched_config *config);

#endif
