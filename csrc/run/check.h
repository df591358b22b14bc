/* What kio.run and kio.check say about the rings of this machine. */
#ifndef KIO_RUN_CHECK_H
#define KIO_RUN_CHECK_H

#include <lua.h>

#include "task/sched.h"

/* Pushes that there is not the ring of that configuration: its name, that of `err` (positive), the
   cause and the cure in one line; with `whole` what kio.check tells about it. Without kio's half in
   Lua only the names. */
void kio_check_push_refusal(lua_State *L, int err, const kio_sched_config *config, bool whole);

#endif
