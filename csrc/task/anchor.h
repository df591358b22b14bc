/* Values that C holds: each lies in the Lua registry, under a number, for a table that gets and
   loses other keys is rebuilt again and again. The numbers of those that were let go are kept for
   the next ones: that costs a third of luaL_ref and luaL_unref. */
#ifndef KIO_TASK_ANCHOR_H
#define KIO_TASK_ANCHOR_H

#include <lua.h>

#include "base/config.h"

typedef struct kio_sched kio_sched;

typedef struct kio_anchors {
  int spare[KIO_ANCHORS]; /* numbers that are free, and nobody else's: `false` lies there */
  int count;              /* how many */
  int task_type;          /* those of the metatables of tasks and scopes; 0: not yet looked for */
  int scope_type;
} kio_anchors;

/* Pops a value into the registry, and returns its number. May raise (memory). */
int kio_anchor(lua_State *L);
/* Pushes the metatable of that name; one of the two above remembers it, which saves a look at the
   registry's strings. May raise (memory). */
void kio_anchor_push_type(lua_State *L, int *number, const char *name);
/* Lets the value of that number go; LUA_NOREF is allowed. Takes no memory. */
void kio_anchor_drop(lua_State *L, int number);
/* The numbers that a scheduler keeps are anybody's. */
void kio_anchors_fini(kio_sched *sched);

#endif
