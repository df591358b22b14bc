/* Owns nothing. See net/bytes.h. Called in a task. */
#include "net/bytes.h"

#include "task/external.h"

bool kio_stream_push(lua_State *L, kio_stream *stream, size_t skip, size_t size, bool whole) {
  kio_input *in = &stream->in, before = *in;
  kio_external from = {before.buffer, in, &before, sizeof before, 0};
  char *data = size > 0 ? before.buffer.data + before.at + skip : NULL; /* no data then */
  if (!whole || !kio_external_suits(before.buffer, size)) {
    lua_pushlstring(L, data, size);
    return false;
  }
  in->buffer = (kio_buffer){NULL, 0};
  in->at = in->end = 0;
  kio_external_push(L, &from, data, size);
  return true;
}
