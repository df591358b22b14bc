/* Streams as Lua sees them: what lua_net.c needs to make one. */
#ifndef KIO_LUA_STREAM_H
#define KIO_LUA_STREAM_H

#include <lua.h>

#include "stream.h"

/* Pushes a userdata for a stream that does not exist yet, so that nothing can fail on the Lua side
   once there is a descriptor. */
void kio_stream_push_empty(lua_State *L);
/* Gives the userdata at `index` its stream, made of fd; false when memory is out (fd is closed). */
bool kio_stream_fill(lua_State *L, int index, int fd, const kio_sockaddr *peer);
/* Makes the metatable. */
void kio_stream_open(lua_State *L);

#endif
