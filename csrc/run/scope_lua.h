/* Scopes of Lua, for other rooms. */
#ifndef KIO_RUN_SCOPE_LUA_H
#define KIO_RUN_SCOPE_LUA_H

#include <lua.h>

#include "task/task.h"

/* A function for Lua, called in a task: run(f, ...) -> f's results, when all tasks spawned in it
   have ended. Raises as kio.scope does. */
int kio_scope_l_run(lua_State *L);

enum { KIO_SCOPE_RESULTS = 3 }; /* where they begin on the stack */
/* Runs the function on the stack at 1, with what is above it and the scope, in a scope of its own;
   to be returned. Then `end` makes of its results those that are returned, in place; NULL: they
   are. Raises as kio.scope does. */
int kio_scope_run(lua_State *L, kio_task *task, lua_CFunction end);
/* The scope at a stack index, in which something can be spawned; raises when it is none, or has
   ended. */
kio_scope *kio_scope_check(lua_State *L, int index);

#endif
