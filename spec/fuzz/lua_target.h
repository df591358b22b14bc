/* A fuzzing target whose check is written in Lua: SCRIPT returns a function that gets each input as
   a string and raises when something is wrong. Run from the root. */
#ifndef SPEC_FUZZ_LUA_TARGET_H
#define SPEC_FUZZ_LUA_TARGET_H

#include <lauxlib.h>
#include <lualib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "core.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static lua_State *target_state;

static void die(lua_State *L) {
  fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
  abort();
}

static lua_State *open_target(void) {
  lua_State *L = luaL_newstate();
  if (!L) abort();
  luaL_openlibs(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_kio_core);
  lua_setfield(L, -2, "kio.core");
  lua_settop(L, 0);
  if (luaL_dostring(L, "package.path = './lua/?.lua;./lua/?/init.lua;./?.lua'")) die(L);
  if (luaL_dofile(L, SCRIPT)) die(L);
  return L;
}

static int on_error(lua_State *L) {
  luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
  return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (!target_state) target_state = open_target();
  lua_State *L = target_state;
  lua_pushcfunction(L, on_error);
  lua_pushvalue(L, 1);
  lua_pushlstring(L, (const char *)data, size);
  if (lua_pcall(L, 1, 0, 2)) die(L);
  lua_settop(L, 1);
  return 0;
}

#endif
