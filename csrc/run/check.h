/* What kio.run and kio.check say about io_uring on this machine. */
#ifndef KIO_RUN_CHECK_H
#define KIO_RUN_CHECK_H

#include <lua.h>

#include "ring/ring.h"

/* Pushes one line: that there is no io_uring, the name of `err` (positive), the cause, the cure. */
void kio_diagnose_push(lua_State *L, int err, const kio_ring_config *config);
/* Pushes what kio.check tells about it, as the error of `who` where that was called, and the
   errno's name; returns 2. */
int kio_diagnose_push_report(lua_State *L, const char *who, int err, const kio_ring_config *config);
/* check() -> a table about kernel, liburing, limits, and what a ring is granted here. Never raises
   but for memory. */
int kio_diagnose_check(lua_State *L);

#endif
