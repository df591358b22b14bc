/* Errors about misuse, which point at the line that did it: not at kio's own Lua files, through
   which most calls come, but at whoever has called them. */
#ifndef KIO_OP_MISUSE_H
#define KIO_OP_MISUSE_H

#include <lauxlib.h>
#include <stdbool.h>

/* Raises like luaL_error, but with the place in the innermost function that is not in kio's own
   files. Never returns. */
int kio_misuse(lua_State *L, const char *text);
/* Pushes that place, "file:line: "; an empty text when it is in C. */
void kio_misuse_push_where(lua_State *L);
/* The C function on top, which stays there, is kio's own as its Lua files are: it does nothing that
   can be wrong but by way of them. */
void kio_misuse_adopt(lua_State *L);
/* The innermost function of Lua that is not in kio's own files: `caller` tells its file and its
   line. False: there is none. */
bool kio_misuse_caller(lua_State *L, lua_Debug *caller);

#endif
