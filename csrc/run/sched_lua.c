/* Owns nothing but the metatable: a scheduler lies in a userdata of the state it was made in.
   Called by the thread of that state. */
#include "run/sched_lua.h"

#include <string.h>

#include "op/registry.h"
#include "task/sched_end.h"

#define SCHED_TYPE "kio.Scheduler"

kio_sched *kio_sched_push_new(lua_State *L) {
  kio_sched *sched = lua_newuserdatauv(L, sizeof *sched, 0);
  memset(sched, 0, sizeof *sched);
  luaL_setmetatable(L, SCHED_TYPE);
  return sched;
}

static void end(void *self) {
  kio_sched_fini(self);
}

const kio_type kio_sched_type = {.name = SCHED_TYPE, .end = end};
