/* Owns the buffer of what has been written. Invariant: size <= buffer.size. Called by the thread
   that has the stream. */
#include "net/output.h"

/* By doubling up to the mark, so that small writers stay small; beyond what is cached it grows
   once. */
bool kio_output_grow(kio_output *out, kio_buffers *buffers, size_t size) {
  kio_debug_assert(out->size <= out->buffer.size && size <= kio_output_mark(out));
  if (size > KIO_BUFFER_MAX) size = kio_output_mark(out);
  kio_buffer larger = kio_buffer_take(buffers, size);
  if (!larger.data) return false;
  if (out->size > 0) memcpy(larger.data, out->buffer.data, out->size);
  kio_buffer_give(buffers, out->buffer);
  out->buffer = larger;
  return true;
}

void kio_output_drop(kio_output *out, kio_buffers *buffers) {
  kio_buffer buffer = kio_output_take(out);
  if (buffers) kio_buffer_give(buffers, buffer);
  else kio_buffer_drop(buffer);
}

void kio_output_consume(kio_output *out, kio_buffers *buffers, size_t size) {
  kio_assert(size <= out->size);
  if (size == 0) return;
  out->size -= size;
  if (out->size == 0) kio_output_drop(out, buffers);
  else memmove(out->buffer.data, out->buffer.data + size, out->size);
}

#ifdef KIO_TEST
void kio_output_verify(const kio_output *out) {
  kio_assert(out->pinned || out->size <= out->buffer.size);
  kio_assert((out->size > 0) == (out->buffer.data || out->pinned));
  kio_assert(!out->buffer.data || !out->pinned);
  kio_assert(out->error >= 0);
}
#endif
