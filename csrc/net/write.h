/* Writing to a stream. */
#ifndef KIO_NET_WRITE_H
#define KIO_NET_WRITE_H

#include <lauxlib.h>

#include "net/stream.h"

/* As the last thing of a C function that runs in a task, on the stream at index 1: waits as its
   writer until output has room, or (`drained`) has left, or the handle's deadline; then calls k. */
int kio_write_park(lua_State *L, kio_stream *stream, bool drained, lua_KContext ctx,
                   lua_KFunction k);
/* In that k: the running task has waited for output, so others may write again, unless a close has
   put itself in its place. */
void kio_write_resumed(kio_stream *stream, int status);
/* Adds bytes to the output of the stream at index 1 when that needs no waiting, and nothing is in
   the way. False: nothing was added. */
bool kio_stream_put(lua_State *L, const char *bytes, size_t size);

extern const luaL_Reg kio_write_methods[]; /* the methods of streams that write */

#endif
