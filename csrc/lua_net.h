/* Listeners as Lua sees them: what lua_adopt.c needs to make one. */
#ifndef KIO_LUA_NET_H
#define KIO_LUA_NET_H

#include <lua.h>

#include "base.h"

/* Pushes a listener that owns fd; `packets`: it is a SOCK_SEQPACKET. */
void kio_listener_push(lua_State *L, int fd, bool packets);

#endif
