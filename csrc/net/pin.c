/* Owns the anchors of strings that wait to leave. Invariant: the string that out->pinned is in is
   anchored by out->anchor. Called by the thread of the Lua state. */
#include "net/pin.h"

#include <string.h>

#include "task/anchor.h"

void kio_pin(lua_State *L, int index, kio_output *out, const char *data, size_t size) {
  kio_assert(out->size == 0 && !out->pinned && size > 0);
  lua_pushvalue(L, index);
  out->anchor = kio_anchor(L);
  out->pinned = data;
  out->size = size;
}

bool kio_pin_copy(lua_State *L, kio_output *out, kio_buffers *buffers) {
  size_t size = out->size;
  kio_buffer buffer = kio_buffer_take(buffers, size);
  if (!buffer.data) return false;
  memcpy(buffer.data, out->pinned, size);
  kio_pin_drop(L, out);
  out->buffer = buffer;
  out->size = size;
  return true;
}

void kio_pin_drop(lua_State *L, kio_output *out) {
  if (out->pinned) kio_anchor_drop(L, kio_pin_take(out));
}

void kio_pin_consume(lua_State *L, kio_output *out, size_t size) {
  kio_assert(out->pinned && size <= out->size);
  out->pinned += size;
  out->size -= size;
  if (out->size == 0) kio_pin_drop(L, out);
}

int kio_pin_take(kio_output *out) {
  out->pinned = NULL;
  out->size = 0;
  return out->anchor;
}
