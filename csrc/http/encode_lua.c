/* Fields that are to be sent, as text. What would end a line or begin another one raises: it is the
   program's mistake, and a peer's chance. Owns nothing. */
#include "http/bytes.h"
#include "http/face.h"

enum { HEADERS = 1, KEY, VALUE, ITEM, SLOTS = ITEM }; /* of the stack, below the buffer */

static void refuse(lua_State *L, const char *words, int index) {
  const kio_guest *guest = kio_http_guest(L);
  guest->misuse(L, lua_pushfstring(L, "%s: %s", words, guest->push_text(L, index)));
}

static void check_name(lua_State *L, int index) {
  size_t size;
  const char *name = lua_type(L, index) == LUA_TSTRING ? lua_tolstring(L, index, &size) : NULL;
  bool fits = name && size > 0 && size < UINT32_MAX &&
              kio_http_run(KIO_HTTP_TOKEN, name, (uint32_t)size) == size;
  if (!fits) refuse(L, "no name of a header", index);
}

/* Adds the name at KEY and the value at ITEM, which a number becomes a string of. */
static void add_field(lua_State *L, luaL_Buffer *out) {
  size_t size, value_size;
  bool is_text = lua_type(L, ITEM) == LUA_TSTRING || lua_type(L, ITEM) == LUA_TNUMBER;
  if (!is_text) refuse(L, "a header's value that is no string and no number", KEY);
  const char *name = lua_tolstring(L, KEY, &size), *value = lua_tolstring(L, ITEM, &value_size);
  bool fits =
      value_size < UINT32_MAX && kio_http_run_of_value(value, (uint32_t)value_size) == value_size;
  if (!fits) refuse(L, "a header's value with a control character", KEY);
  luaL_addlstring(out, name, size);
  luaL_addlstring(out, ": ", 2);
  luaL_addlstring(out, value, value_size);
  luaL_addlstring(out, "\r\n", 2);
}

/* The name at KEY with the value at VALUE, or with each of a list there. */
static void add_values(lua_State *L, luaL_Buffer *out) {
  check_name(L, KEY);
  if (!lua_istable(L, VALUE)) {
    lua_copy(L, VALUE, ITEM);
    add_field(L, out);
    return;
  }
  lua_Integer count = (lua_Integer)lua_rawlen(L, VALUE);
  for (lua_Integer i = 1; i <= count; i++) {
    lua_rawgeti(L, VALUE, i);
    lua_replace(L, ITEM);
    add_field(L, out);
  }
}

/* The list part: { name, value } each. */
static void add_list(lua_State *L, luaL_Buffer *out, lua_Integer count) {
  for (lua_Integer i = 1; i <= count; i++) {
    if (lua_rawgeti(L, HEADERS, i) != LUA_TTABLE) {
      refuse(L, "a list of headers has { name, value } in it, not", -1);
    }
    lua_rawgeti(L, -1, 1);
    lua_replace(L, KEY);
    lua_rawgeti(L, -1, 2);
    lua_replace(L, VALUE);
    lua_pop(L, 1);
    add_values(L, out);
  }
}

/* encode_fields(headers) -> text */
static int l_encode_fields(lua_State *L) {
  luaL_Buffer out;
  luaL_checktype(L, HEADERS, LUA_TTABLE);
  lua_settop(L, HEADERS);
  lua_settop(L, SLOTS); /* all but the first are nil */
  lua_Integer count = (lua_Integer)lua_rawlen(L, HEADERS);
  luaL_buffinit(L, &out);
  add_list(L, &out, count);
  lua_pushnil(L);
  lua_replace(L, KEY);
  for (;;) {
    lua_pushvalue(L, KEY);
    if (!lua_next(L, HEADERS)) break;
    lua_replace(L, VALUE);
    lua_replace(L, KEY);
    bool in_list =
        lua_isinteger(L, KEY) && lua_tointeger(L, KEY) >= 1 && lua_tointeger(L, KEY) <= count;
    if (!in_list) add_values(L, &out);
  }
  luaL_pushresult(&out);
  return 1;
}

const luaL_Reg kio_http_encode_ops[] = {{"encode_fields", l_encode_fields}, {NULL, NULL}};
