/* What others need to know of the coroutines inside a task. */
#ifndef KIO_RUN_COROUTINE_H
#define KIO_RUN_COROUTINE_H

#include <lua.h>

/* The coroutine that `co` has resumed and that has not come back to it: it runs, or waits with its
   task. NULL: there is none. Needs two slots of L's stack, and leaves it as it was. */
lua_State *kio_coroutine_inner(lua_State *L, lua_State *co);

#endif
