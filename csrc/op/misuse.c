/* Owns one string in the registry of each Lua state: how the names of kio's own Lua files begin.
   Called on the thread of that state. */
#include "op/misuse.h"

#include <stdbool.h>
#include <string.h>

#include "op/registry.h"

static const char own_files; /* only its address counts: the key in the registry */

/* Whether this source of a function is one of kio's own, which begin with `own`. */
static bool is_own(const char *source, const char *own) {
  return own && strncmp(source, own, strlen(own)) == 0;
}

/* The innermost function that is none of kio's own; 1, as for luaL_error, when there is none. */
static int level_of_caller(lua_State *L) {
  lua_Debug ar;
  int level = 1;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &own_files);
  const char *own = lua_tostring(L, -1);
  while (lua_getstack(L, level, &ar) && lua_getinfo(L, "S", &ar) && is_own(ar.source, own)) level++;
  lua_pop(L, 1);
  return lua_getstack(L, level, &ar) ? level : 1;
}

int kio_misuse(lua_State *L, const char *text) {
  luaL_where(L, level_of_caller(L));
  lua_pushstring(L, text);
  lua_concat(L, 2);
  return lua_error(L);
}

/* own_files(beginning): how the sources of kio's own Lua files begin, "@" and their folder */
static int l_own_files(lua_State *L) {
  luaL_checktype(L, 1, LUA_TSTRING);
  lua_settop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &own_files);
  return 0;
}

const luaL_Reg kio_misuse_ops[] = {
    {"own_files", l_own_files},
    {NULL, NULL},
};
