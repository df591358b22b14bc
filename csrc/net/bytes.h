/* What has arrived on a stream, as strings. */
#ifndef KIO_NET_BYTES_H
#define KIO_NET_BYTES_H

#include <lua.h>

#include "net/stream.h"

/* Pushes `size` unread bytes, those behind `skip` others. With `whole` nothing else of what is
   unread is needed any more, and a large string may be the stream's buffer itself: true then,
   nothing is unread. Else nothing counts as read. Finalizers may run. */
bool kio_stream_push(lua_State *L, kio_stream *stream, size_t skip, size_t size, bool whole);

#endif
