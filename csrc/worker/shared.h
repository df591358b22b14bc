/* Userdata for what Lua states share by reference: channels and events. One object has at most one
   userdata in each state, so that it equals itself when it comes back from another worker. */
#ifndef KIO_WORKER_SHARED_H
#define KIO_WORKER_SHARED_H

#include <lauxlib.h>
#include <lua.h>
#include <sys/types.h>

#include "op/type.h"
#include "thread/parcel.h"

#define KIO_SHARED_PARENTS "it belongs to the parent process, and this is a forked child"

typedef struct kio_shared_kind {
  const char *type;      /* the name of the userdata's metatable */
  kio_handle_kind moves; /* how it crosses; its `drop` gives a reference back */
  const char *noun;      /* for messages: "channel" */
  /* Takes a reference. */
  void *(*ref)(void *object);
  /* A parcel came that the task it was for cannot take any more; NULL: it brings none. */
  void (*give_back)(void *object, kio_parcel *parcel);
  /* Pushes its state, for people. */
  void (*push_state)(lua_State *L, void *object);
} kio_shared_kind;

/* What the userdata holds. */
typedef struct kio_shared {
  const kio_shared_kind *kind; /* tells the type faster than the metatable does */
  void *object;                /* a reference; NULL: it was finalized */
  pid_t process;               /* where it was made: a forked child has a copy of no use */
} kio_shared;

/* `prepare` of handles that are shared: they cross by reference, and both sides have them then. */
const char *kio_shared_prepare(lua_State *L, int index, void **spare);
/* What `take` of these comes to: pushes the userdata of an object, with a reference to it that
   belongs to it from then on. When it raises (memory) the reference is still the caller's. */
void kio_shared_push(lua_State *L, const kio_shared_kind *kind, void *object);
/* Pushes a userdata without an object, for a new one. */
kio_shared *kio_shared_push_empty(lua_State *L, const kio_shared_kind *kind);
/* Puts the new object into it; NULL: raises, memory is out. Returns 1. */
int kio_shared_put(lua_State *L, kio_shared *shared, void *object);
/* Whether this process is a child of the one where it was made: then other threads may have held
   the object's lock when the child was forked, and nobody ever gives that back. */
bool kio_shared_is_parents(const kio_shared *shared);
/* The userdata at index 1; an argument error when it is another value, or was finalized. */
kio_shared *kio_shared_check_any(lua_State *L, const kio_shared_kind *kind);
/* kio_shared_check_any, and an argument error when it is a parent process'. */
kio_shared *kio_shared_check(lua_State *L, const kio_shared_kind *kind);
/* The `end` and the __tostring of their types. */
void kio_shared_end(void *self);
int kio_shared_l_tostring(lua_State *L);
/* The number of seconds, or the options with `timeout`, at `index`: nanoseconds. */
int64_t kio_shared_timeout(lua_State *L, int index);

#endif
