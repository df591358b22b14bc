/* Owns the slab: chunks of slots that never move and a free list through them. Invariant: a slot
   is FREE if and only if it is in the free list. Called by the scheduler's thread only. */
#include "ring/request.h"

#include "base/memory.h"

_Static_assert(sizeof(kio_request) <= 168, "each stream has two request slots");

void kio_slab_init(kio_slab *slab) {
  *slab = (kio_slab){0};
  kio_list_init(&slab->free);
}

void kio_slab_fini(kio_slab *slab) {
  kio_assert(slab->taken == 0);
  for (size_t i = 0; i < slab->chunk_count; i++) kio_memory_free(slab->chunks[i]);
  kio_memory_free(slab->chunks);
  kio_slab_init(slab);
}

bool kio_slab_grow(kio_slab *slab) {
  kio_assert(slab->chunk_count < INT32_MAX / KIO_SLAB_CHUNK); /* the highest bit is uring.c's */
  size_t list_size = (slab->chunk_count + 1) * sizeof *slab->chunks;
  kio_request **chunks = kio_memory_resize(slab->chunks, list_size);
  if (!chunks) return false;
  slab->chunks = chunks;
  kio_request *chunk = kio_memory_new(KIO_SLAB_CHUNK * sizeof *chunk);
  if (!chunk) return false;
  for (size_t i = 0; i < KIO_SLAB_CHUNK; i++) {
    chunk[i].id = slab->chunk_count * KIO_SLAB_CHUNK + i + 1;
    kio_list_push(&slab->free, &chunk[i].link);
  }
  chunks[slab->chunk_count++] = chunk;
  return true;
}

#ifdef KIO_TEST
static void verify_slot(const kio_request *request) {
  bool under_way = kio_request_under_way(request),
       cancels = request->flags & KIO_REQUEST_CANCELLING;
  kio_assert(request->state <= KIO_REQUEST_DONE && request->op < KIO_OP_COUNT);
  kio_assert(!kio_link_linked(&request->cancel_link) || (under_way && cancels));
  for (uint32_t slot = 0; slot < 2; slot++) {
    const kio_fd_ref *ref = &request->fd_ref[slot];
    bool entered = kio_link_linked(&ref->link);
    kio_assert(!entered || (ref->slot == slot && request->state != KIO_REQUEST_FREE));
  }
  switch (request->state) {
  case KIO_REQUEST_FREE: kio_assert(!request->buffer.data); break;
  case KIO_REQUEST_IDLE:
  case KIO_REQUEST_DONE: kio_assert(!kio_link_linked(&request->link)); break;
  case KIO_REQUEST_INFLIGHT: kio_assert(request->done); break; /* listed as its backend likes */
  default: kio_assert(request->done && kio_link_linked(&request->link));
  }
  if (request->flags & KIO_REQUEST_BLOCK && request->state != KIO_REQUEST_FREE) {
    kio_block_verify(request->block);
  }
}

void kio_slab_verify(const kio_slab *slab) {
  const kio_request *request;
  size_t taken = 0, count = 0;
  for (; (request = kio_slab_at(slab, count)); count++) {
    kio_assert(kio_request_index(request) == count);
    verify_slot(request);
    taken += request->state != KIO_REQUEST_FREE;
  }
  kio_assert(taken == slab->taken);
  kio_assert(kio_list_verify(&slab->free) == count - taken);
  KIO_LIST_EACH(&slab->free, link) {
    kio_assert(KIO_CONTAINER(link, kio_request, link)->state == KIO_REQUEST_FREE);
  }
}
#endif
