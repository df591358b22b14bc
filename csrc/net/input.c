/* Owns the buffer of what has arrived. Invariant: at <= end <= buffer.size while the buffer is
   here. Called by the thread that has the stream. */
#include "net/input.h"

#include <errno.h>
#include <string.h>

int kio_input_make_room(kio_input *in, kio_buffers *buffers) {
  size_t unread = kio_input_unread(in);
  kio_assert(in->at <= in->end && (!in->buffer.data || in->end <= in->buffer.size));
  if (in->buffer.data && in->end < in->buffer.size) return 0;
  if (in->at > 0) {
    memmove(in->buffer.data, in->buffer.data + in->at, unread);
  } else {
    size_t want = kio_input_want(in);
    size_t more = unread > want ? unread : want; /* long values: doubling */
    kio_buffer larger = kio_buffer_take(buffers, unread + more);
    if (!larger.data) return -ENOMEM;
    if (unread > 0) memcpy(larger.data, in->buffer.data, unread);
    kio_buffer_give(buffers, in->buffer);
    in->buffer = larger;
  }
  in->at = 0;
  in->end = unread;
  kio_debug_assert(in->end < in->buffer.size);
  return 0;
}

int kio_input_put_back(kio_input *in, kio_buffers *buffers, const char *data, size_t size) {
  size_t unread = kio_input_unread(in);
  if (size == 0) return 0;
  if (in->at < size) {
    kio_buffer larger = kio_buffer_take(buffers, size + unread);
    if (!larger.data) return -ENOMEM;
    if (unread > 0) memcpy(larger.data + size, in->buffer.data + in->at, unread);
    kio_buffer_give(buffers, in->buffer);
    in->buffer = larger;
    in->at = size;
    in->end = size + unread;
  }
  kio_assert(in->at >= size && in->end <= in->buffer.size);
  in->at -= size;
  memcpy(in->buffer.data + in->at, data, size);
  return 0;
}

void kio_input_rescue(kio_input *in, kio_buffers *buffers, const char *data) {
  size_t unread = kio_input_unread(in);
  kio_buffer copy = {NULL, 0};
  if (unread > 0) copy = kio_buffer_take(buffers, unread);
  if (copy.data) memcpy(copy.data, data + in->at, unread);
  in->buffer = copy;
  in->at = 0;
  in->end = copy.data ? unread : 0;
}

void kio_input_drop(kio_input *in, kio_buffers *buffers) {
  if (buffers) kio_buffer_give(buffers, in->buffer);
  else kio_buffer_drop(in->buffer);
  in->buffer = (kio_buffer){NULL, 0};
  in->at = in->end = 0;
}

#ifdef KIO_TEST
void kio_input_verify(const kio_input *in, bool lent) {
  bool here = in->buffer.data;
  kio_assert(in->at <= in->end);
  kio_assert(!here || (in->at < in->end && in->end <= in->buffer.size));
  kio_assert(here || lent || in->end == 0);
  kio_assert(!here || !lent);
  kio_assert(kio_input_want(in) <= KIO_RECEIVE_MAX);
  kio_assert(in->error <= 0);
}
#endif
