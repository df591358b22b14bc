/* The output half of a stream: bytes that were written and have not begun to leave. Knows nothing
   of where they go, nor of who has written them. */
#ifndef KIO_NET_OUTPUT_H
#define KIO_NET_OUTPUT_H

#include <string.h>

#include "ring/buffer.h"

typedef struct kio_output {
  kio_buffer buffer;  /* gathered: `size` bytes */
  size_t size;        /* how many */
  size_t hold;        /* so many are gathered before they leave by themselves; 0: none */
  int error;          /* a send failed: told by every later write, flush and close */
  int anchor;         /* of the string that `pinned` is in; see net/pin.h */
  const char *pinned; /* gathered in place of a buffer: `size` bytes that stay there; or NULL */
} kio_output;

/* Past so many gathered bytes a writer waits: the high-water mark. */
static inline size_t kio_output_mark(const kio_output *out) {
  return out->hold > KIO_HIGH_WATER ? out->hold : KIO_HIGH_WATER;
}
/* Makes the buffer larger, so that it has room for `size` bytes. False when memory is out. */
bool kio_output_grow(kio_output *out, kio_buffers *buffers, size_t size);
/* Sees to room for `size` bytes, likewise. */
static inline bool kio_output_make_room(kio_output *out, kio_buffers *buffers, size_t size) {
  if (size <= out->buffer.size) return true;
  if (out->buffer.data || size > KIO_BUFFER_MIN) return kio_output_grow(out, buffers, size);
  kio_buffer first = kio_buffer_take(buffers, size);
  if (first.data) out->buffer = first;
  return first.data;
}
/* Room for `size` bytes, which count as gathered: the caller writes them. NULL: memory is out. */
static inline char *kio_output_reserve(kio_output *out, kio_buffers *buffers, size_t size) {
  if (!kio_output_make_room(out, buffers, out->size + size)) return NULL;
  char *room = out->buffer.data + out->size;
  out->size += size;
  kio_debug_assert(size > 0 && out->size <= out->buffer.size);
  return room;
}
/* Gathers bytes that fit below the mark. False when memory is out. */
static inline bool kio_output_add(kio_output *out, kio_buffers *buffers, const char *data,
                                  size_t size) {
  if (size == 0) return true;
  char *room = kio_output_reserve(out, buffers, size);
  if (room) memcpy(room, data, size);
  return room;
}
/* Gathers as many bytes as fit below the mark; how many, or -1 when memory is out. */
static inline int64_t kio_output_gather(kio_output *out, kio_buffers *buffers, const char *data,
                                        size_t size) {
  size_t mark = kio_output_mark(out);
  if (out->size >= mark) return 0; /* above it: the mark was lowered */
  size_t fits = kio_min_size(size, mark - out->size);
  return kio_output_add(out, buffers, data, fits) ? (int64_t)fits : -1;
}
/* What is gathered belongs to the caller from now on. */
static inline kio_buffer kio_output_take(kio_output *out) {
  kio_buffer buffer = out->buffer;
  out->buffer = (kio_buffer){NULL, 0};
  out->size = 0;
  return buffer;
}
/* Drops what is gathered; `buffers` NULL: its set is gone. */
void kio_output_drop(kio_output *out, kio_buffers *buffers);
/* The first `size` bytes have left: the others move to the front. */
void kio_output_consume(kio_output *out, kio_buffers *buffers, size_t size);
#ifdef KIO_TEST
/* An output has a buffer, or bytes that are pinned, exactly while something is gathered. */
void kio_output_verify(const kio_output *out);
#endif

#endif
