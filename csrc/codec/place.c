/* Owns nothing; looks at keys on the stack. Called by the thread of the Lua state. */
#include "codec/place.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

enum {
  ENDS = 8,     /* of a long path so many steps are shown from each end */
  KEY_MAX = 40, /* a longer key is not shown */
};

static bool is_name(const char *text, size_t size) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
  return size > 0 && strspn(text, letters) == size && (*text < '0' || *text > '9');
}

static void push_string_key(lua_State *L, int index) {
  size_t size;
  const char *text = lua_tolstring(L, index, &size);
  bool shown = size <= KEY_MAX && strlen(text) == size;
  if (!shown) lua_pushliteral(L, "[a string]");
  else if (is_name(text, size)) lua_pushfstring(L, ".%s", text);
  else lua_pushfstring(L, "[\"%s\"]", text);
}

/* Pushes one step of a path. */
static void push_step(lua_State *L, const char *what, const kio_place *at) {
  switch (at->kind) {
  case KIO_PLACE_ROOT: lua_pushfstring(L, "%s %d", what, at->at); break;
  case KIO_PLACE_UPVALUE: lua_pushfstring(L, " upvalue '%s'", *at->name ? at->name : "?"); break;
  case KIO_PLACE_KEY: lua_pushliteral(L, " a key"); break;
  case KIO_PLACE_FIELD:
    if (lua_type(L, at->at) == LUA_TSTRING) push_string_key(L, at->at);
    else if (lua_isinteger(L, at->at)) lua_pushfstring(L, "[%I]", lua_tointeger(L, at->at));
    else lua_pushfstring(L, "[a %s]", luaL_typename(L, at->at));
  }
}

static int count_steps(const kio_place *at) {
  int count = 0;
  for (; at; at = at->up) count++;
  return count;
}

/* Pushes the path to `at`. From its end, since a place knows only the one it is in. */
static void push_path(lua_State *L, const char *what, const kio_place *at) {
  int count = count_steps(at);
  lua_pushliteral(L, "");
  for (int i = count; at; at = at->up, i--) {
    bool hidden = i > ENDS && i <= count - ENDS;
    if (hidden && i != count - ENDS) continue;
    if (hidden) lua_pushliteral(L, " ... ");
    else push_step(L, what, at);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
}

int kio_place_refuse(lua_State *L, const char *what, const kio_place *at, const char *why) {
  luaL_checkstack(L, 8, NULL);
  push_path(L, what, at);
  lua_pushfstring(L, "%s: %s", lua_tostring(L, -1), why);
  return lua_error(L);
}
