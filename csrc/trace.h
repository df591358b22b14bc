/* Where errors came from. An error value goes its way unchanged; its traceback is kept beside it, in
   the task it was raised in, and grows by each task that awaited that one. */
#ifndef KIO_TRACE_H
#define KIO_TRACE_H

#include <lua.h>

#include "task.h"

/* The message handler of protected calls in tasks: takes the traceback where the error is raised. */
int kio_trace_on_error(lua_State *L);
/* Raises the error on top of L again, as caught by kio itself: its traceback stays as it is. */
int kio_trace_raise_kept(lua_State *L);
/* Raises in the running task the error of the ended task whose userdata is at `index`. */
int kio_trace_raise_of(lua_State *L, int index);
/* The failed task at `other` gave way to the error of the one at `task` (0: the running one): its
   error is told below that one's traceback, and listed in the field `suppressed` of an error that is
   a table. */
void kio_trace_attach(lua_State *L, int task, int other);

#endif
