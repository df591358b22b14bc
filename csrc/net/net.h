/* What the rooms about connections and listeners need of each other. */
#ifndef KIO_NET_NET_H
#define KIO_NET_NET_H

#include <lua.h>

#include "base/base.h"
#include "ring/request.h"

/* Pushes a listener that owns fd (negative: it has none yet); `packets`: it is a SOCK_SEQPACKET. */
void kio_listener_push(lua_State *L, int fd, bool packets);
/* Gives the listener on top its descriptor. */
void kio_listener_fill(lua_State *L, int fd);
/* Pushes a connection that does not exist yet: a stream, or one that keeps packets apart. */
void kio_net_push_empty(lua_State *L, bool packets);
/* Gives it its descriptor; false when memory is out (fd is closed). */
bool kio_net_fill(lua_State *L, int index, int fd, const kio_sockaddr *peer);

#endif
