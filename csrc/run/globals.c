/* The standard functions as they were when kio was loaded first: the environment of kio's own Lua
   files, for a program may replace or remove what it likes of its globals, and of the tables they
   hold. Owns that environment, in the registry of each Lua state. */
#include <lualib.h>
#include <stdbool.h>

#include "op/registry.h"

static const char globals_key; /* only its address counts: the key in the registry */

/* Whether the field of the table at `index` is there, which is pushed then; by raw access, for
   programs that are strict about globals put a metatable there. */
static bool push_field(lua_State *L, int index, const char *name) {
  index = lua_absindex(L, index);
  lua_pushstring(L, name);
  if (lua_rawget(L, index) != LUA_TNIL) return true;
  lua_pop(L, 1);
  return false;
}

static void copy_functions(lua_State *L, const char *const *names) {
  lua_pushglobaltable(L);
  for (; *names; names++) {
    if (push_field(L, -1, *names)) lua_setfield(L, -3, *names);
  }
  lua_pop(L, 1);
}

/* Replaces the library on top by a copy, but for files: where io.stderr leads is the program's. */
static void copy_library(lua_State *L) {
  lua_newtable(L);
  lua_pushnil(L);
  while (lua_next(L, -3)) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    if (lua_isuserdata(L, -1)) lua_pop(L, 2);
    else lua_rawset(L, -4);
  }
  lua_createtable(L, 0, 1);
  lua_pushvalue(L, -3);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  lua_replace(L, -2);
}

static void copy_libraries(lua_State *L, const char *const *names) {
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  for (; *names; names++) {
    if (!push_field(L, -1, *names)) continue;
    copy_library(L);
    lua_setfield(L, -3, *names);
  }
  lua_pop(L, 1);
}

/* (environment, name): neither misspelt nor missing names are nil in silence. */
static int l_missing(lua_State *L) {
  return luaL_error(L, "kio needs '%s', which this Lua has not", lua_tostring(L, 2));
}

/* getmetatable(value): what a value is, and not what the field __metatable claims. */
static int l_getmetatable(lua_State *L) {
  luaL_checkany(L, 1);
  if (!lua_getmetatable(L, 1)) lua_pushnil(L);
  return 1;
}

static void make(lua_State *L) {
  static const char *const functions[] = {
      "assert",  "error",  "ipairs",   "next",     "pairs", "pcall",
      "rawget",  "rawset", "rawlen",   "select",   "type",  "setmetatable",
      "require", "xpcall", "tonumber", "tostring", NULL};
  static const char *const libraries[] = {LUA_STRLIBNAME,
                                          LUA_TABLIBNAME,
                                          LUA_MATHLIBNAME,
                                          LUA_IOLIBNAME,
                                          LUA_OSLIBNAME,
                                          LUA_DBLIBNAME,
                                          NULL};
  lua_newtable(L);
  copy_functions(L, functions);
  copy_libraries(L, libraries);
  lua_pushcfunction(L, l_getmetatable);
  lua_setfield(L, -2, "getmetatable");
  lua_createtable(L, 0, 2);
  lua_pushcfunction(L, l_missing);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__index");
  lua_setfield(L, -2, "__newindex");
  lua_setmetatable(L, -2);
}

/* Sets the field `globals` of the table on top. */
void kio_globals_open(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &globals_key) == LUA_TNIL) {
    lua_pop(L, 1);
    make(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &globals_key);
  }
  lua_setfield(L, -2, "globals");
}
