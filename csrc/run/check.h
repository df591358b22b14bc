/* What kio.run and kio.check say about io_uring on this machine. */
#ifndef KIO_RUN_CHECK_H
#define KIO_RUN_CHECK_H

#include <lua.h>

#include "ring/ring.h"

/* Pushes that there is no io_uring: the name of `err` (positive), the cause and the cure in one
   line; with `whole` what kio.check tells about it. Without kio's Lua half only the name. */
void kio_check_push_refusal(lua_State *L, int err, const kio_ring_config *config, bool whole);

#endif
