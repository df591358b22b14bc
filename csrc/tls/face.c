/* What the files of the face share. Owns nothing. The thread of the Lua state. */
#include "tls/face.h"

const kio_guest *kio_tls_guest(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, KIO_GUEST_KEY);
  const kio_guest *guest = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return guest;
}

int kio_tls_fail(lua_State *L, const kio_tls_words *words) {
  lua_pushnil(L);
  lua_pushstring(L, words->text);
  lua_pushstring(L, words->code);
  return 3;
}
