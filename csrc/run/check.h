/* What kio.run and kio.check say about io_uring on this machine. */
#ifndef KIO_RUN_CHECK_H
#define KIO_RUN_CHECK_H

#include <lua.h>

#include "ring/ring.h"

/* Pushes nil, the cause and the cure as text, and the name of `err` (positive); returns 3. */
int kio_diagnose_push(lua_State *L, int err, const kio_ring_config *config);
/* check() -> a table about kernel, liburing, limits, and what a ring is granted here. Never raises
   but for memory. */
int kio_diagnose_check(lua_State *L);

#endif
