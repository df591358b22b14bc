/* What the methods of streams that are written in Lua need: kio.core.own. Owns
   nothing. Called by the thread of the Lua state. */
#include "net/stream_lua.h"
#include "op/misuse.h"
#include "op/op.h"
#include "op/registry.h"

/* stream_way(stream) -> whether its bytes are its descriptor's, what messages call it, its timeout
   in seconds or nil, how many bytes it gathers before a writer waits */
static int l_way(lua_State *L) {
  char text[KIO_ADDRESS_TEXT_MAX + 1];
  const kio_stream_handle *h = kio_stream_check(L);
  lua_pushboolean(L, h->stream->carrier->direct);
  lua_pushstring(L, kio_stream_peer_text(h->stream, text));
  if (h->timeout_ns == KIO_NEVER) lua_pushnil(L);
  else lua_pushnumber(L, (lua_Number)h->timeout_ns / (lua_Number)KIO_NS_PER_SEC);
  lua_pushinteger(L, (lua_Integer)h->stream->out.mark);
  return 4;
}

/* stream_reserve(stream, whether): its output is somebody's own from now on, or no longer. Kept in
   the handle, and not as a task: whoever reserves it may never come back. */
static int l_reserve(lua_State *L) {
  kio_stream_handle *h = kio_stream_check(L);
  bool reserve = lua_toboolean(L, 2);
  if (reserve && kio_stream_is_taken(h)) {
    return kio_misuse(L, "another task is writing to this stream");
  }
  h->reserved = reserve;
  return 0;
}

const luaL_Reg kio_stream_own[] = {
    {"stream_way", l_way},
    {"stream_reserve", l_reserve},
    {NULL, NULL},
};
