/* kio.Listener. */
#ifndef KIO_NET_LISTENER_H
#define KIO_NET_LISTENER_H

#include <lua.h>

#include "net/handle.h"

/* Pushes a listener without a descriptor, which begins with a kio_handle; `packets`: it is to be a
   SOCK_SEQPACKET. */
void kio_listener_push(lua_State *L, bool packets);

#endif
