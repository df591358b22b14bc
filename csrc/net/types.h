/* The types of connections as Lua sees them. */
#ifndef KIO_NET_TYPES_H
#define KIO_NET_TYPES_H

#include <lua.h>

/* Makes the metatable of streams; leaves the table of methods on the stack: kio.net adds those in
   Lua. */
void kio_stream_open(lua_State *L);
/* Makes the metatable of sockets of messages; leaves the table of methods on the stack. */
void kio_udp_open(lua_State *L);

#endif
