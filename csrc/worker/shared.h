/* Userdata for what Lua states share by reference: channels and events. One object has at most one
   userdata in each state, so that it equals itself when it comes back from another worker. */
#ifndef KIO_WORKER_SHARED_H
#define KIO_WORKER_SHARED_H

#include <lauxlib.h>
#include <lua.h>
#include <sys/types.h>

#include "task/task.h"

#define KIO_SHARED_PARENTS "it belongs to the parent process, and this is a forked child"

typedef struct kio_shared_kind {
  const char *type;            /* the name of the metatable */
  void (*unref)(void *object); /* gives a reference back; from any thread */
} kio_shared_kind;

/* What the userdata holds. */
typedef struct kio_shared {
  const kio_shared_kind *kind; /* tells the type faster than the metatable does */
  void *object;                /* a reference; NULL: it was finalized */
  pid_t process;               /* where it was made: a forked child has a copy of no use */
} kio_shared;

/* Pushes the userdata of an object, with a reference to it that belongs to it from then on. When it
   raises (memory) the reference is still the caller's. */
void kio_shared_push(lua_State *L, const kio_shared_kind *kind, void *object);
/* Pushes a userdata without an object: for a new one, which is put into it. */
kio_shared *kio_shared_push_empty(lua_State *L, const kio_shared_kind *kind);
/* The object of the userdata on top is known from now on. */
void kio_shared_enter(lua_State *L, const void *object);
/* Whether this process is a child of the one where it was made: then other threads may have held
   the object's lock when the child was forked, and nobody ever gives that back. */
bool kio_shared_is_parents(const kio_shared *shared);
/* The userdata at index 1, which may have been finalized, or an argument error. */
kio_shared *kio_shared_self(lua_State *L, const kio_shared_kind *kind);
/* The same, and an argument error when it was finalized. */
kio_shared *kio_shared_check_any(lua_State *L, const kio_shared_kind *kind);
/* The same, and an argument error when it is a parent process'. */
kio_shared *kio_shared_check(lua_State *L, const kio_shared_kind *kind);
/* __gc */
int kio_shared_l_gc(lua_State *L);
/* The number of seconds, or the options with `timeout`, at `index`: nanoseconds. */
int64_t kio_shared_timeout(lua_State *L, int index);

#endif
