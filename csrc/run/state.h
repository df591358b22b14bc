/* Lua states for other threads: fresh ones that find modules where the state does that asked for
   them. What they need is copied beforehand, so that no thread looks into another's state. */
#ifndef KIO_RUN_STATE_H
#define KIO_RUN_STATE_H

#include <lua.h>

#include "base/base.h"

typedef struct kio_seed {
  char *path;         /* package.path */
  char *cpath;        /* package.cpath */
  lua_CFunction open; /* opens kio.core: this very library, not another copy of it */
} kio_seed;

/* Tells how kio.core is opened; once in each Lua state, before any seed is made there. */
void kio_state_set_door(lua_State *L, lua_CFunction open);
/* Copies what L's package library says. False: memory is out, nothing is left behind. */
bool kio_seed_init(kio_seed *seed, lua_State *L);
/* Frees the copies; an empty seed is allowed. */
void kio_seed_fini(kio_seed *seed);
/* A new state with the standard libraries, `kio.core` at hand, on any thread. NULL: memory is
   out. */
lua_State *kio_state_new(const kio_seed *seed);

#endif
