/* Errors that go elsewhere than up: to an on_error function, or below another error. */
#ifndef KIO_RUN_GUARD_H
#define KIO_RUN_GUARD_H

#include <stdbool.h>

#include <lua.h>

/* The option `on_error` of the table at `index` (its argument's number too): pushes a function, or
   false when it says so, or nil when there is none. `true` gives one that prints to stderr. */
void kio_guard_option(lua_State *L, int index);
/* Replaces the function at `index` by one that does the same in a task, but tells its error to the
   on_error function at `handler`: then it is nobody else's failure. `unseen`: only when nobody
   awaits the task at that moment. */
void kio_guard_wrap(lua_State *L, int index, int handler, bool unseen);

#endif
