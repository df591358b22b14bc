/* How a `__gc` knows whom it is called by. A program reaches every metatable, at the latest with
   the debug library, and can call what is in it: on a handle in use, on one of another kind, on
   nothing, and twice. Only the collector knows that nobody uses a handle any more. */
#ifndef KIO_OP_FINALIZER_H
#define KIO_OP_FINALIZER_H

#include <lua.h>
#include <stdbool.h>

/* In a `__gc`: the userdata of that type that the collector finalizes; NULL when somebody else has
   called, or with something else: then there is nothing to do. */
void *kio_finalized(lua_State *L, const char *type);
/* Whether the collector has called the function at this level of the stack, 0 being the running
   one. */
bool kio_called_by_collector(lua_State *L, int level);

#endif
