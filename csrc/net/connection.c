/* Owns nothing: a connection is a stream, or a socket that keeps packets apart. Called by the
   thread of the Lua state. */
#include "net/connection.h"

#include "net/stream_lua.h"
#include "net/udp.h"

void kio_connection_push_empty(lua_State *L, bool packets) {
  if (packets) kio_udp_push_empty(L, true);
  else kio_stream_push_empty(L);
}

bool kio_connection_fill(lua_State *L, int index, int fd, const kio_sockaddr *peer) {
  if (!kio_udp_is(L, index)) return kio_stream_fill(L, index, fd, peer);
  kio_udp_fill(L, index, fd, peer);
  return true;
}
