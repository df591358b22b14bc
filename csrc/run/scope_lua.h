/* Running a function in a scope of its own, for other rooms. */
#ifndef KIO_RUN_SCOPE_LUA_H
#define KIO_RUN_SCOPE_LUA_H

#include <lua.h>

/* A function for Lua, called in a task: run(f, ...) -> f's results, when all tasks spawned in it
   have ended. Raises as kio.scope does. */
int kio_scope_l_run(lua_State *L);

#endif
