/* Why io_uring is refused on this machine, and what to do about it: sysctl, seccomp, memlock and an
   old kernel look alike by errno, so the system is asked. */
#ifndef KIO_DIAGNOSE_H
#define KIO_DIAGNOSE_H

#include <lua.h>

#include "ring.h"

/* Pushes nil, the cause and the cure as text, and the errno's name; returns 3. */
int kio_diagnose_push(lua_State *L, int err, const kio_ring_config *config);
/* check() -> a table about kernel, liburing, limits, and what a ring is granted here. Never raises
   but for memory. */
int kio_diagnose_check(lua_State *L);

#endif
