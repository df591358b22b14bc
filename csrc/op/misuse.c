/* Owns in the registry of each Lua state how the names of kio's own Lua files begin, and the set of
   C functions that count as one of them.
   Called on the thread of that state. */
#include "op/misuse.h"

#include <stdbool.h>
#include <string.h>

#include "op/registry.h"
#include "task/here.h"

static const char own_files, own_functions; /* only their addresses count: keys in the registry */

/* How the sources of kio's own files begin; NULL: not yet known. A task need not ask the registry
   each time: what was found there is what lies there still (l_own_files). */
static const char *own_beginning(lua_State *L) {
  kio_sched *sched = kio_sched_current();
  bool runs = sched && sched->leaf == L;
  if (runs && sched->own_files) return sched->own_files;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &own_files);
  const char *own = lua_tostring(L, -1);
  lua_pop(L, 1); /* it stays in the registry */
  if (runs) sched->own_files = own;
  return own;
}

/* Whether this source of a function is one of kio's own. */
static bool is_own(const char *source, const char *own) {
  if (!own) return false;
  while (*own && *own == *source) own++, source++;
  return *own == 0;
}

void kio_misuse_adopt(lua_State *L) {
  kio_push_weak(L, &own_functions, "k");
  lua_pushvalue(L, -2);
  lua_pushboolean(L, true);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

/* Whether the C function of that frame is one of those. */
static bool is_own_function(lua_State *L, lua_Debug *at) {
  kio_push_weak(L, &own_functions, "k");
  lua_getinfo(L, "f", at);
  bool is = lua_rawget(L, -2) != LUA_TNIL;
  lua_pop(L, 2);
  return is;
}

/* Fills `at` ("Sl") for the innermost function that is none of kio's own, from level 1 on; with
   `of_lua` none in C either. One in C that kio's own have called (pcall) is theirs. */
static bool find_caller(lua_State *L, bool of_lua, lua_Debug *at) {
  const char *own = own_beginning(L);
  int foreign = 0; /* the innermost level, if it is one in C */
  for (int level = 1; lua_getstack(L, level, at); level++) {
    lua_getinfo(L, "Sl", at);
    bool in_c = at->currentline < 0;
    if (is_own(at->source, own) || (in_c && !of_lua && is_own_function(L, at))) foreign = 0;
    else if (!in_c && (of_lua || foreign == 0)) return true;
    else if (!in_c) break;
    else if (foreign == 0) foreign = level;
  }
  return !of_lua && foreign > 0 && lua_getstack(L, foreign, at) && lua_getinfo(L, "Sl", at);
}

bool kio_misuse_caller(lua_State *L, lua_Debug *caller) {
  return find_caller(L, true, caller);
}

void kio_misuse_push_where(lua_State *L) {
  lua_Debug at;
  bool known = find_caller(L, false, &at) && at.currentline > 0;
  if (known) lua_pushfstring(L, "%s:%d: ", at.short_src, at.currentline);
  else lua_pushliteral(L, "");
}

/* With the message on top, which may have zero bytes. */
static int raise_at_caller(lua_State *L) {
  kio_misuse_push_where(L);
  lua_insert(L, -2);
  lua_concat(L, 2);
  return lua_error(L);
}

int kio_misuse(lua_State *L, const char *text) {
  lua_pushstring(L, text);
  return raise_at_caller(L);
}

/* raise(message [, code]): an error where a function that is none of kio's own has called; what an
   iterator cannot return. The code stands behind the message, for an error has no second value. */
static int l_raise(lua_State *L) {
  const char *code = luaL_optstring(L, 2, NULL);
  luaL_checktype(L, 1, LUA_TSTRING);
  lua_pushvalue(L, 1);
  if (code) {
    lua_pushfstring(L, " (%s)", code);
    lua_concat(L, 2);
  }
  return raise_at_caller(L);
}

/* own_files(beginning): how the sources of kio's own Lua files begin, "@" and their folder */
static int l_own_files(lua_State *L) {
  luaL_checktype(L, 1, LUA_TSTRING);
  lua_settop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &own_files);
  kio_sched *sched = kio_sched_current();
  if (sched) sched->own_files = NULL;
  return 0;
}

const luaL_Reg kio_misuse_own[] = {
    {"own_files", l_own_files},
    {"raise", l_raise},
    {NULL, NULL},
};
