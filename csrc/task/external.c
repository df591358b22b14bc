/* Owns nothing: a buffer is its giver's, and then its string's. Invariant: sched->external is set
   only while Lua makes that string. Called by the scheduler's thread; `release` also by lua_close,
   without any. */
#include "task/external.h"

#include <string.h>

#include "base/library.h"

/* Lua calls it when the string is collected; and in its making when memory is out, where no
   finalizer has run since kio_external_push. */
static void *release(void *owner, void *data, size_t size, size_t none) {
  kio_sched *sched = kio_sched_current();
  kio_external *from = sched ? sched->external : NULL;
  (void)none;
  if (from && from->buffer.data == owner) {
    sched->external = NULL;
    sched->buffers.taken++;
    ((char *)data)[size - 1] = from->replaced;
    memcpy(from->giver, from->before, from->giver_size);
  } else {
    kio_buffer_drop((kio_buffer){owner, size});
  }
  return NULL;
}

void kio_external_push(lua_State *L, kio_external *from, char *data, size_t size) {
  kio_sched *sched = kio_sched_current();
  kio_assert(data >= from->buffer.data && data + size <= from->buffer.data + from->buffer.size);
  if (!sched->stays_loaded) kio_library_stay(); /* the string may outlive whatever loaded it */
  sched->stays_loaded = true;
  from->replaced = data[size];
  data[size] = 0;
  kio_buffer_leave(&sched->buffers, from->buffer);
  sched->external = from;
  kio_lua_push_bytes(L, data, size, release, from->buffer.data);
  sched->external = NULL;
  kio_lua_count(L, size);
}
