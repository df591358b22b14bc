/* Errors as those outside of a run see them. */
#ifndef KIO_RUN_TRACEBACK_LUA_H
#define KIO_RUN_TRACEBACK_LUA_H

#include <lua.h>

/* An error value that can carry no text, at `err`, leaves a run: its traceback, a string at
   `traceback` or nil, can be asked for as long as the value is alive. */
void kio_traceback_keep(lua_State *L, int err, int traceback);
/* The error on top is about to leave kio.run. When nothing in Lua catches it, and it carries no
   traceback itself, it is printed to stderr: the interpreter would say no more than its type. */
void kio_traceback_tell(lua_State *L);

#endif
