/* Chunks of a response's body, as most of them are: short, written with nothing in the way. All
   else is left to the method in Lua that this one stands before. Owns nothing. Called by the thread
   of the Lua state, in a task. */
#include <string.h>

#include "http/face.h"

enum { SELF = 1, DATA, STREAM, CHUNK_MAX = 4096, FRAME_MAX = 8 };

/* Upvalues, behind kio's table. */
enum { CLASS = 2, FRAMING, CHUNKED, DONE, CONNECTION, REQUEST, OF_STREAM, SENT, LAST = SENT };

static int push_raw(lua_State *L, int table, int name) {
  lua_pushvalue(L, lua_upvalueindex(name));
  return lua_rawget(L, table);
}

static bool is_response(lua_State *L) {
  bool is_table = lua_istable(L, SELF) && lua_getmetatable(L, SELF);
  return is_table && lua_rawequal(L, -1, lua_upvalueindex(CLASS));
}

/* Whether it has been started, has a body in chunks, and is the one at hand. Then the stream is at
   STREAM; else anything may be behind DATA. */
static bool is_open(lua_State *L) {
  if (!is_response(L)) return false;
  lua_settop(L, STREAM);
  push_raw(L, SELF, FRAMING);
  if (!lua_rawequal(L, -1, lua_upvalueindex(CHUNKED))) return false;
  push_raw(L, SELF, DONE);
  if (lua_toboolean(L, -1) || push_raw(L, SELF, CONNECTION) != LUA_TTABLE) return false;
  lua_replace(L, STREAM);
  push_raw(L, SELF, REQUEST);
  push_raw(L, STREAM, REQUEST);
  if (!lua_rawequal(L, -1, -2)) return false;
  push_raw(L, STREAM, OF_STREAM);
  lua_replace(L, STREAM);
  return true;
}

static size_t frame(char *text, const char *data, size_t size) {
  static const char digits[] = "0123456789abcdef";
  size_t at = 0;
  for (int shift = 12; shift >= 0; shift -= 4) {
    if (size >> shift > 0) text[at++] = digits[size >> shift & 0xf];
  }
  memcpy(text + at, "\r\n", 2);
  memcpy(text + at + 2, data, size);
  memcpy(text + at + 2 + size, "\r\n", 2);
  return at + size + 4;
}

/* Whether DATA was written as a chunk to the stream at STREAM. */
static bool put_chunk(lua_State *L) {
  char text[FRAME_MAX + CHUNK_MAX];
  size_t size, all;
  const char *data = lua_tolstring(L, DATA, &size);
  if (size == 0 || size > CHUNK_MAX) return false;
  all = frame(text, data, size);
  lua_settop(L, STREAM);
  lua_pushvalue(L, SELF);
  lua_insert(L, DATA); /* the string stays on the stack */
  lua_copy(L, STREAM + 1, SELF);
  bool written = kio_http_guest(L)->put(L, text, all);
  lua_copy(L, DATA, SELF);
  lua_remove(L, DATA);
  if (!written) return false;
  lua_pushvalue(L, lua_upvalueindex(SENT));
  push_raw(L, SELF, SENT);
  lua_pushinteger(L, lua_tointeger(L, -1) + (lua_Integer)size);
  lua_replace(L, -2);
  lua_rawset(L, SELF);
  return true;
}

/* put(response, ...) -> whether what follows was written: it was one short string, and the response
   can have it as a chunk */
static int l_put(lua_State *L) {
  bool is_string = lua_gettop(L) == DATA && lua_type(L, DATA) == LUA_TSTRING;
  lua_pushboolean(L, is_string && is_open(L) && put_chunk(L));
  return 1;
}

/* chunks_of(class) -> put, for objects of that class */
static int l_chunks_of(lua_State *L) {
  static const char *const names[] = {"framing", "chunked", "done", "connection",
                                      "request", "stream",  "sent"};
  lua_settop(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  for (size_t i = 0; i < KIO_COUNT(names); i++) lua_pushstring(L, names[i]);
  lua_pushcclosure(L, l_put, LAST);
  return 1;
}

const luaL_Reg kio_http_write_ops[] = {{"chunks_of", l_chunks_of}, {NULL, NULL}};
