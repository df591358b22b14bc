/* Owns nothing. See run/state.h. */
#include "run/state.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "base/memory.h"

static const char door_key; /* its address is the key of kio.core's door in the registry */

void kio_state_set_door(lua_State *L, lua_CFunction open) {
  lua_pushcfunction(L, open);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &door_key);
}

/* ---- seeds ---- */

static lua_CFunction door_of(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &door_key);
  lua_CFunction open = lua_tocfunction(L, -1);
  lua_pop(L, 1);
  kio_assert(open);
  return open;
}

/* NULL: memory is out. Without a package library the text is empty. */
static char *copy_field(lua_State *L, const char *name) {
  size_t size = 0;
  const char *text = "";
  int top = lua_gettop(L);
  bool there = luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE) &&
               lua_getfield(L, -1, LUA_LOADLIBNAME) == LUA_TTABLE;
  if (there && lua_getfield(L, -1, name) == LUA_TSTRING) text = lua_tolstring(L, -1, &size);
  char *copy = kio_memory_new(size + 1);
  if (copy) memcpy(copy, text, size);
  lua_settop(L, top);
  return copy;
}

bool kio_seed_init(kio_seed *seed, lua_State *L) {
  seed->open = door_of(L);
  seed->path = copy_field(L, "path");
  seed->cpath = copy_field(L, "cpath");
  if (seed->path && seed->cpath) return true;
  kio_seed_fini(seed);
  return false;
}

void kio_seed_fini(kio_seed *seed) {
  kio_memory_free(seed->path);
  kio_memory_free(seed->cpath);
  *seed = (kio_seed){NULL, NULL, NULL};
}

/* ---- states ---- */

static int l_prepare(lua_State *L) {
  const kio_seed *seed = lua_touserdata(L, 1);
  luaL_openlibs(L);
  lua_getglobal(L, LUA_LOADLIBNAME);
  lua_pushstring(L, seed->path);
  lua_setfield(L, -2, "path");
  lua_pushstring(L, seed->cpath);
  lua_setfield(L, -2, "cpath");
  lua_getfield(L, -1, "preload");
  lua_pushcfunction(L, seed->open);
  lua_setfield(L, -2, "kio.core");
  return 0;
}

lua_State *kio_state_new(const kio_seed *seed) {
  lua_State *L = luaL_newstate();
  if (!L) return NULL;
  lua_pushcfunction(L, l_prepare);
  lua_pushlightuserdata(L, (void *)(uintptr_t)seed);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK) return L;
  lua_close(L);
  return NULL;
}
