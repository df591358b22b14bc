/* Owns nothing. Lua tells by which kind of call a function was entered: while the collector runs a
   finalizer the function it interrupts is marked, and what is called from there goes by the name of
   the metamethod. A hook hides that mark, but gives what it calls no userdata. Called by the thread
   of the Lua state. */
#include "op/finalizer.h"

#include <lauxlib.h>
#include <string.h>

bool kio_called_by_collector(lua_State *L, int level) {
  lua_Debug call;
  if (!lua_getstack(L, level, &call)) return false;
  lua_getinfo(L, "n", &call);
  if (strcmp(call.namewhat, "hook") == 0) return true;
  return strcmp(call.namewhat, "metamethod") == 0 && strcmp(call.name, "__gc") == 0;
}

void *kio_finalized(lua_State *L, const char *type) {
  return kio_called_by_collector(L, 0) ? luaL_testudata(L, 1, type) : NULL;
}
