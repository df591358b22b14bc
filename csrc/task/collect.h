/* Descriptors that garbage holds: who can have none tries once more when collecting it has let some
   go. Finalizers run, so nothing may be half done that they could undo. */
#ifndef KIO_TASK_COLLECT_H
#define KIO_TASK_COLLECT_H

#include <lua.h>

#include "task/here.h"

enum { KIO_COLLECT_MAX = 16 }; /* the most that can be asked for at once */

/* Whether making `wanted` descriptors has failed with `err` for want of room (-EMFILE, -ENFILE),
   and a collection has made some: try once more. Not when there was room all the same; and in a run
   not for ever: what was collected in vain may take an eighth of its time. 0 are wanted of those
   whose number another limit bounds: then it is not known whether there is room, and one more try
   always worth it. */
bool kio_collect(lua_State *L, int err, int wanted);
/* kio_collect for a failure that has been pushed, its code on top; for rings and wake-ups of so
   many threads. */
bool kio_collect_threads(lua_State *L, unsigned threads);

#endif
