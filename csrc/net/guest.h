/* What the C of other rocks may use of kio, beside net/filter.h. They are shared objects of their
   own, so they call by this table, which the Lua registry holds under KIO_GUEST_KEY as a light
   userdata. All of it is for the thread of the Lua state. */
#ifndef KIO_NET_GUEST_H
#define KIO_NET_GUEST_H

#include <lua.h>

#include "net/filter.h"
#include "op/type.h"

#define KIO_GUEST_ABI 1
#define KIO_GUEST_KEY "kio.guest"

/* Work for a thread of the pool. */
typedef struct kio_guest_work {
  const char *name;            /* of the operation, for people; lives as long as the process */
  void (*hold)(void *data);    /* before anything else, when nothing can fail any more */
  void (*work)(void *data);    /* on that thread; never, when the run ends before */
  void (*release)(void *data); /* once after each `hold`, on any thread */
  void *data;
} kio_guest_work;

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
#ifdef KIO_TEST
  /* Before there are threads: each new stream on a socket gets the filter that `make` gives for its
     descriptor, unless that returns false. On any thread. */
  void (*put_under)(bool (*make)(int fd, kio_filter *filter));
#endif
} kio_guest;

extern const kio_guest kio_guest_table;

#endif
