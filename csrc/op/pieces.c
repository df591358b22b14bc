/* Owns nothing: strings, numbers and buffers become one string. Called by the thread of the state,
   in a task or not. */
#include "op/pieces.h"

#include <lauxlib.h>

#include "op/buffer.h"

/* Adds the string, number or buffer on top, which it pops; false when it is none of these. */
static bool add_piece(lua_State *L, luaL_Buffer *joined) {
  if (lua_isstring(L, -1)) return (luaL_addvalue(joined), true);
  if (!kio_view_at(L, -1)) return false;
  kio_bytes bytes = kio_bytes_check(L, -1);
  kio_block_check(L, bytes.block, false);
  lua_pushlstring(L, bytes.data, bytes.size);
  lua_replace(L, -2);
  luaL_addvalue(joined);
  return true;
}

/* Raises unless the table is empty: what looks like options would be dropped in silence. */
static void check_empty(lua_State *L, int index) {
  lua_pushnil(L);
  if (lua_next(L, index)) {
    luaL_argerror(L, index, "a list of strings expected; they take no options: set_timeout does");
  }
}

void kio_pieces_join(lua_State *L, int last) {
  luaL_Buffer joined;
  luaL_buffinit(L, &joined);
  for (int i = 2; i <= last; i++) {
    lua_Integer count = lua_istable(L, i) ? (lua_Integer)lua_rawlen(L, i) : 0;
    if (lua_istable(L, i) && count == 0) check_empty(L, i);
    for (lua_Integer n = 1; n <= count; n++) {
      lua_rawgeti(L, i, n);
      luaL_argcheck(L, add_piece(L, &joined), i, "a list of strings expected");
    }
    if (lua_istable(L, i)) continue;
    lua_pushvalue(L, i);
    luaL_argexpected(L, add_piece(L, &joined), i, "string or list of strings");
  }
  luaL_pushresult(&joined);
  lua_replace(L, 2);
  lua_settop(L, 2);
}
