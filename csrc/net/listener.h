/* kio.Listener. */
#ifndef KIO_NET_LISTENER_H
#define KIO_NET_LISTENER_H

#include <lua.h>

#include "base/base.h"

/* Pushes a listener that owns fd (negative: it has none yet); `packets`: it is a SOCK_SEQPACKET. */
void kio_listener_push(lua_State *L, int fd, bool packets);
/* Gives the listener on top its descriptor. */
void kio_listener_fill(lua_State *L, int fd);

#endif
