/* Owns nothing. See net/bytes.h. Called in a task. */
#include "net/bytes.h"

void kio_stream_push_buffer(lua_State *L, kio_stream *stream, size_t skip, size_t size) {
  kio_input *in = &stream->in, before = *in;
  kio_external from = {before.buffer, in, &before, sizeof before, 0};
  in->buffer = (kio_buffer){NULL, 0};
  in->at = in->end = 0;
  kio_external_push(L, &from, before.buffer.data + before.at + skip, size);
}
