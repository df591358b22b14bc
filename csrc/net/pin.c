/* Owns the anchors of strings on their way. Invariant: the string that out.pinned is in is anchored
   by out.anchor, that which tx sends by stream->pinned. Called by the scheduler's thread only. */
#include "net/pin.h"

#include <errno.h>
#include <string.h>

#include "task/anchor.h"
#include "task/here.h"

static void pin(lua_State *L, int index, kio_stream *stream, const char *data, size_t size) {
  kio_output *out = &stream->out;
  kio_assert(out->size == 0 && !out->pinned && stream->sched);
  lua_pushvalue(L, index);
  out->anchor = kio_anchor(L);
  out->pinned = data;
  out->size = size;
  kio_stream_leave_or_hold(stream);
}

/* With output that waits already goes what fits; of what will be pinned then, only as much as makes
   one piece with it. */
static size_t room_beside(const kio_stream *stream, size_t size) {
  size_t used = stream->out.size;
  bool rest_is_pinned = used + size > kio_output_mark(&stream->out) && kio_pin_suits(stream, size);
  if (!rest_is_pinned) return size;
  return used < KIO_BUFFER_MIN ? KIO_BUFFER_MIN - used : 0;
}

int64_t kio_pin_or_gather(lua_State *L, int index, kio_stream *stream, size_t at) {
  size_t size;
  const char *data = lua_tolstring(L, index, &size); /* nothing is written: NULL, of size 0 */
  kio_assert(at <= size);
  data += at;
  size -= at;
  if (stream->out.size > 0 || !kio_pin_suits(stream, size)) {
    return kio_stream_gather(stream, data, kio_min_size(size, room_beside(stream, size)));
  }
  size = kio_min_size(size, kio_output_mark(&stream->out));
  pin(L, index, stream, data, size);
  return (int64_t)size;
}

static void end(kio_stream *stream, int anchor) {
  kio_anchor_drop(stream->sched->L, anchor);
}

bool kio_pin_copy(kio_stream *stream) {
  kio_output *out = &stream->out;
  kio_buffer buffer = kio_buffer_take(&stream->sched->buffers, out->size);
  if (!buffer.data) return false;
  memcpy(buffer.data, out->pinned, out->size);
  kio_pin_drop(stream);
  out->buffer = buffer;
  return true;
}

void kio_pin_drop(kio_stream *stream) {
  if (stream->out.pinned) end(stream, stream->out.anchor);
  stream->out.pinned = NULL;
}

void kio_pin_send(kio_stream *stream) {
  kio_output *out = &stream->out;
  char *data = (char *)(uintptr_t)out->pinned;
  size_t size = out->size;
  stream->pinned = out->anchor;
  out->pinned = NULL;
  out->size = 0;
  kio_stream_send_from(stream, data, size);
}

void kio_pin_sent(kio_stream *stream) {
  end(stream, stream->pinned);
  stream->pinned = 0;
}
