/* The end of a stream, for Lua. */
#ifndef KIO_NET_STREAM_CLOSE_H
#define KIO_NET_STREAM_CLOSE_H

#include <lauxlib.h>

extern const luaL_Reg kio_stream_close_methods[]; /* the methods of streams that end them */
int kio_stream_l_close_value(lua_State *L);       /* __close: a part of the type */

#endif
