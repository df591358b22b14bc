/* Owns one entry in the registry for each metatable, by its address: its kio_type. Lua tells by
   which kind of call a function was entered: while the collector runs a finalizer the function it
   interrupts is marked, and what is called from there goes by the name of the metamethod. A hook
   hides that mark, but gives what it calls no userdata. Called by the thread of the Lua state. */
#include "op/type.h"

#include <string.h>

#include "base/base.h"

/* A program that has a metatable collected, with the debug library, gets no further with what takes
   its address: the name is looked at, too. */
const kio_type *kio_type_of(lua_State *L, int index) {
  if (!lua_isuserdata(L, index) || !lua_getmetatable(L, index)) return NULL;
  bool is_entry = lua_rawgetp(L, LUA_REGISTRYINDEX, lua_topointer(L, -1)) == LUA_TLIGHTUSERDATA;
  const kio_type *type = is_entry ? lua_touserdata(L, -1) : NULL;
  lua_pop(L, 2);
  return type && luaL_testudata(L, index, type->name) ? type : NULL;
}

bool kio_called_by_collector(lua_State *L, int level) {
  lua_Debug call;
  if (!lua_getstack(L, level, &call)) return false;
  lua_getinfo(L, "n", &call);
  if (strcmp(call.namewhat, "hook") == 0) return true;
  return strcmp(call.namewhat, "metamethod") == 0 && strcmp(call.name, "__gc") == 0;
}

static int l_gc(lua_State *L) {
  const kio_type *type = kio_called_by_collector(L, 0) ? kio_type_of(L, 1) : NULL;
  if (type && type->end) type->end(lua_touserdata(L, 1));
  return 0;
}

int kio_type_l_close(lua_State *L) {
  const kio_type *type = kio_type_of(L, 1);
  luaL_argexpected(L, type && type->close == kio_type_l_close, 1, "kio's own");
  type->end(lua_touserdata(L, 1));
  return 0;
}

static void set(lua_State *L, const char *name, lua_CFunction f) {
  if (!f) return;
  lua_pushcfunction(L, f);
  lua_setfield(L, -2, name);
}

void kio_type_open(lua_State *L, const kio_type *type) {
  luaL_newmetatable(L, type->name);
  lua_pushlightuserdata(L, (void *)(uintptr_t)type);
  lua_rawsetp(L, LUA_REGISTRYINDEX, lua_topointer(L, -2));
  set(L, "__gc", type->end ? l_gc : NULL);
  set(L, "__close", type->close);
  set(L, "__tostring", type->tostring);
  set(L, "__len", type->len);
  if (type->methods[0]) luaL_getsubtable(L, -1, "__index");
  for (size_t i = 0; i < KIO_COUNT(type->methods) && type->methods[i]; i++) {
    luaL_setfuncs(L, type->methods[i], 0);
  }
  lua_pop(L, type->methods[0] ? 2 : 1);
}

void kio_type_push_methods(lua_State *L, const kio_type *type) {
  luaL_getmetatable(L, type->name);
  lua_getfield(L, -1, "__index");
  lua_remove(L, -2);
}

void *kio_handle_give_reference(lua_State *L, int index, void *spare) {
  (void)L;
  (void)index;
  return spare;
}
