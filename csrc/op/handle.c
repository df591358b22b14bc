/* Owns one entry in each registered metatable: the kind. Called by the thread of the Lua state. */
#include "op/handle.h"

#include <lauxlib.h>

#include "base/base.h"

static const char kind_key; /* its address is the entry's key */

void kio_handle_register(lua_State *L, const kio_handle_kind *kind) {
  kio_assert(lua_istable(L, -1));
  lua_pushlightuserdata(L, (void *)kind);
  lua_rawsetp(L, -2, &kind_key);
}

/* A program that copies the entry into another metatable with the debug library gets no further:
   the type is looked at, too. */
const kio_handle_kind *kio_handle_kind_of(lua_State *L, int index) {
  if (!lua_isuserdata(L, index) || !lua_getmetatable(L, index)) return NULL;
  lua_rawgetp(L, -1, &kind_key);
  const kio_handle_kind *kind = lua_touserdata(L, -1);
  lua_pop(L, 2);
  return kind && luaL_testudata(L, index, kind->type) ? kind : NULL;
}

void *kio_handle_give_reference(lua_State *L, int index, void *spare) {
  (void)L;
  (void)index;
  return spare;
}
