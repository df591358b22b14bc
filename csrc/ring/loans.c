/* Owns the places and the buffers that lie ready in them, and the queue of starved requests.
   Invariants: a buffer is in one place or with one receiver; whoever starves is tried again before
   anybody who came later. Called by the scheduler's thread only. */
#include "ring/loans.h"

#include <errno.h>

#include "base/config.h"
#include "base/memory.h"

bool kio_loans_init(kio_loans *loans, kio_buffers *from, unsigned places) {
  unsigned size = 1;
  kio_assert(places > 0);
  while (size < places && size < KIO_LOANS_LIMIT) size *= 2;
  *loans = (kio_loans){.from = from, .size = size, .vacant_count = size};
  loans->wanted = size < KIO_LOANS_FIRST ? size : KIO_LOANS_FIRST;
  kio_list_init(&loans->starved);
  loans->places = kio_memory_new(size * sizeof *loans->places);
  loans->vacant = kio_memory_new(size * sizeof *loans->vacant);
  if (!loans->places || !loans->vacant) {
    kio_loans_fini(loans);
    return false;
  }
  for (unsigned i = 0; i < size; i++) loans->vacant[i] = (uint16_t)(size - 1 - i);
  return true;
}

void kio_loans_fini(kio_loans *loans) {
  for (unsigned i = 0; loans->places && i < loans->size; i++) {
    if (loans->places[i]) kio_buffer_give(loans->from, kio_loans_take(loans, i));
  }
  kio_memory_free(loans->places);
  kio_memory_free(loans->vacant);
  *loans = (kio_loans){0};
}

void kio_loans_starve(kio_loans *loans, kio_request *request) {
  kio_assert(request->state == KIO_REQUEST_INFLIGHT);
  kio_assert(kio_request_borrows(request));
  request->state = KIO_REQUEST_QUEUED; /* but not in the ring's queue */
  kio_list_push(&loans->starved, &request->link);
  if (loans->wanted < loans->size) loans->wanted *= 2;
}

static kio_request *request_of(kio_link *link) {
  return KIO_CONTAINER(link, kio_request, link);
}

bool kio_loans_feed(kio_loans *loans, kio_ring *ring) {
  kio_list again;
  kio_link *link;
  unsigned ready = kio_loans_ready(loans);
  kio_list_init(&again);
  for (unsigned i = 0; i < ready && (link = kio_list_pop(&loans->starved)); i++) {
    kio_list_push(&again, link);
  }
  while (!kio_list_empty(&again)) { /* the last one first: each goes in front */
    link = again.head.prev;
    kio_link_remove(link);
    kio_list_push_front(&ring->queued, link);
  }
  while (ready == 0 && (link = kio_list_pop(&loans->starved))) {
    kio_ring_complete(ring, request_of(link), -ENOMEM);
  }
  return kio_list_empty(&loans->starved);
}

#ifdef KIO_TEST
void kio_loans_verify(const kio_loans *loans) {
  kio_assert(loans->vacant_count <= loans->size && loans->wanted <= loans->size);
  for (unsigned i = 0; i < loans->vacant_count; i++) {
    kio_assert(loans->vacant[i] < loans->size && !loans->places[loans->vacant[i]]);
  }
  KIO_LIST_EACH(&loans->starved, link) {
    const kio_request *request = request_of(link);
    kio_assert(request->state == KIO_REQUEST_QUEUED && kio_request_borrows(request));
  }
}
#endif
