/* Closing a descriptor that operations may be waiting on: what handles without output share. */
#ifndef KIO_OP_CLOSE_H
#define KIO_OP_CLOSE_H

#include <lauxlib.h>
#include <lua.h>

#include "task/task.h"

/* Whether a close called in L may wait for what is under way: in a task's code that may yield. */
bool kio_close_may_wait(lua_State *L);
/* Whether a handle may take this number over: 0, or EBADF: it is being closed. */
int kio_close_is_near(int fd);
/* What is under way on fd, which has been marked as closing, fails with EBADF. Parks the running
   task until it has ended; then `k`, with fd as context, calls kio_desc_reopen. */
int kio_close_wait(lua_State *L, int fd, lua_KFunction k);
/* Closes *fd, which becomes -1; a negative one is closed already, and the caller has looked that
   the number still is the handle's. Every operation under way on it here fails with EBADF. Waits
   for their end if it may; else they end in the next turn. Pushes true and returns 1, or yields
   L. */
int kio_close_socket(lua_State *L, int *fd, bool may_wait);
/* Closes *fd, which becomes -1, without waiting, for a finalizer: what is under way ends in the
   next turn. */
void kio_close_now(int *fd);

#endif
