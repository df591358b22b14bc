/* Owns the tracebacks of error values that are no strings, kept beside them when they leave a run:
   a table with weak keys in the registry of each Lua state. */
#include "run/traceback_lua.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "op/op.h"
#include "op/registry.h"
#include "system/newer.h"
#include "task/traceback.h"

static const char kept; /* its address names that table in the registry */

static void push_kept(lua_State *L) {
  kio_push_weak(L, &kept, "k");
}

static bool is_object(lua_State *L, int index) {
  int type = lua_type(L, index);
  return type == LUA_TTABLE || type == LUA_TUSERDATA;
}

void kio_traceback_keep(lua_State *L, int err, int traceback) {
  err = lua_absindex(L, err);
  traceback = lua_absindex(L, traceback);
  if (!is_object(L, err)) return;
  push_kept(L);
  lua_pushvalue(L, err);
  lua_pushvalue(L, traceback);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

/* traceback(err) -> that of the run it has left | nil */
static int l_traceback(lua_State *L) {
  luaL_checkany(L, 1);
  kio_takes(L, 1);
  lua_settop(L, 1);
  if (!is_object(L, 1)) return 0;
  push_kept(L);
  lua_pushvalue(L, 1);
  lua_rawget(L, 2);
  return 1;
}

/* Every C function may catch errors, as pcall does, but the interpreter itself: the outermost one
   on the process's first thread. */
static bool somebody_catches(lua_State *L) {
  lua_Debug frame, next;
  bool main = lua_pushthread(L) && kio_gettid() == getpid();
  lua_pop(L, 1);
  for (int level = 1; main && lua_getstack(L, level, &frame); level++) {
    lua_getinfo(L, "S", &frame);
    if (*frame.what == 'C' && lua_getstack(L, level + 1, &next)) return true;
  }
  return !main;
}

void kio_traceback_tell(lua_State *L) {
  if (lua_type(L, -1) == LUA_TSTRING || somebody_catches(L)) return;
  int err = lua_gettop(L);
  const char *text = kio_traceback_push_text(L, err);
  lua_pushcfunction(L, l_traceback);
  lua_pushvalue(L, err);
  lua_call(L, 1, 1);
  const char *traceback = lua_tostring(L, -1);
  fprintf(stderr, "kio: the run failed: %s\n%s%s", text, traceback ? traceback : "",
          traceback ? "\n" : "");
  lua_settop(L, err);
}

const luaL_Reg kio_traceback_ops[] = {
    {"traceback", l_traceback},
    {NULL, NULL},
};
