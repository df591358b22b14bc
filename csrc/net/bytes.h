/* What has arrived on a stream, as strings. */
#ifndef KIO_NET_BYTES_H
#define KIO_NET_BYTES_H

#include <lua.h>

#include "net/stream.h"
#include "task/external.h"

/* kio_stream_push when the string is the stream's buffer. */
void kio_stream_push_buffer(lua_State *L, kio_stream *stream, size_t skip, size_t size);
/* Pushes `size` unread bytes, those behind `skip` others. With `whole` nothing else of what is
   unread is needed any more, and a large string may be the stream's buffer itself: true then,
   nothing is unread. Else nothing counts as read. Finalizers may run. */
static inline bool kio_stream_push(lua_State *L, kio_stream *stream, size_t skip, size_t size,
                                   bool whole) {
  bool is_buffer = whole && kio_external_suits(stream->in.buffer, size);
  if (is_buffer) kio_stream_push_buffer(L, stream, skip, size);
  else lua_pushlstring(L, size > 0 ? kio_stream_bytes(stream) + skip : NULL, size);
  return is_buffer;
}

#endif
