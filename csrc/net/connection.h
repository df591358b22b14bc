/* What connecting and accepting bring: a stream, or a socket that keeps packets apart. */
#ifndef KIO_NET_CONNECTION_H
#define KIO_NET_CONNECTION_H

#include <lua.h>

#include "system/address.h"

/* Pushes a connection that does not exist yet; `packets`: one that keeps packets apart. */
void kio_connection_push_empty(lua_State *L, bool packets);
/* Gives the connection at `index` its descriptor; false when memory is out (fd is closed). */
bool kio_connection_fill(lua_State *L, int index, int fd, const kio_sockaddr *peer);

#endif
