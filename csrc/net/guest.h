/* What the C of other shared objects may use of kio, beside net/filter.h and net/reader.h: they
   call by this table, which the Lua registry holds under KIO_GUEST_KEY as a light userdata. All of
   it is for the thread of the Lua state. */
#ifndef KIO_NET_GUEST_H
#define KIO_NET_GUEST_H

#include <lauxlib.h>

#include "net/filter.h"
#include "net/reader.h"
#include "op/type.h"

#define KIO_GUEST_ABI 3
#define KIO_GUEST_KEY "kio.guest"

/* Work for a thread of the pool. */
typedef struct kio_guest_work {
  const char *name;            /* of the operation, for people; lives as long as the process */
  void (*hold)(void *data);    /* before anything else, when nothing can fail any more */
  void (*work)(void *data);    /* on that thread; never, when the run ends before */
  void (*release)(void *data); /* once after each `hold`, on any thread */
  void *data;
} kio_guest_work;

/* Room in what a stream gathers. */
typedef struct kio_guest_room {
  char *data;  /* NULL: there is none now */
  size_t size; /* bytes */
} kio_guest_room;

typedef struct kio_guest {
  unsigned abi; /* KIO_GUEST_ABI */
  /* kio_type_open: a kind of userdata that moves between workers as kio's own do. */
  void (*type_open)(lua_State *L, const kio_type *type);
  /* The filter under the stream at `index`; NULL: it has none, or is closed. Raises for anything
     but a stream. */
  const kio_filter *(*stream_filter)(lua_State *L, int index);
  /* As the last thing of a C function that runs in a task: has the work done while the task waits.
     true | nil, message, code: "EAGAIN" when too much waits for the pool. A cancelled task does not
     wait for what has begun. */
  int (*offload)(lua_State *L, const kio_guest_work *work);
  /* As the last thing of a C function that runs in a task, before which it has changed nothing but
     its stack: reads the stream at index 1 as the reader says. Its results | nil, message, code,
     what the reader adds. Raises when another task reads. */
  int (*read)(lua_State *L, kio_reader *reader);
  /* Has at most room->size bytes, and at least `least`, be gathered by the stream at index 1: the
     caller writes them before anything else happens. Never waits, also for a cancelled task. 0, or
     how many values were pushed: nil, message, code. Raises outside of tasks. */
  int (*room)(lua_State *L, size_t least, kio_guest_room *room);
  /* Adds bytes to the output of the stream at index 1 when that needs no waiting, and nothing is in
     the way. False: nothing was added; its method `write` tells why, or waits. */
  bool (*put)(lua_State *L, const char *bytes, size_t size);
  /* The number of seconds at `index` as nanoseconds; raises for what is none, or negative. */
  int64_t (*seconds)(lua_State *L, int index);
  /* Raises an error that points at the innermost function that is not in kio's own files. */
  int (*misuse)(lua_State *L, const char *text);
  /* Pushes the text of the value at `index`, fit for one line of a message. */
  const char *(*push_text)(lua_State *L, int index);
  /* kio_memory_resize and kio_memory_free (base/memory.h). On any thread. */
  void *(*memory_resize)(void *ptr, size_t size);
  void (*memory_free)(void *ptr);
#ifdef KIO_TEST
  /* Before there are threads: each new stream on a socket gets the filter that `make` gives for its
     descriptor, unless that returns false. On any thread. */
  void (*put_under)(bool (*make)(int fd, kio_filter *filter));
#endif
} kio_guest;

extern const kio_guest kio_guest_table;

/* For the door of another shared object: kio's table, or an error of the module `who`. */
static inline const kio_guest *kio_guest_find(lua_State *L, const char *who) {
  lua_getfield(L, LUA_REGISTRYINDEX, KIO_GUEST_KEY);
  const kio_guest *guest = lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (!guest) luaL_error(L, "%s: this kio is too old, or was not required before", who);
  if (guest->abi != KIO_GUEST_ABI) {
    luaL_error(L,
               "%s: kio has version %d of the interface for it, and this is for version %d:"
               " install both anew",
               who, (int)guest->abi, KIO_GUEST_ABI);
  }
  return guest;
}

#endif
