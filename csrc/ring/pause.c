/* Owns the list of those that pause. Invariant: a request is in it exactly from kio_pause_begin
   until it is queued again or complete. Called by backends, on the ring's thread only. */
#include "ring/pause.h"

#include <errno.h>

enum {
  NS_PER_MS = 1000000,
  LONGEST = 5 /* the longest pause is 2^5 ms: 32 ms, which 1,000 that wait do not notice */
};

void kio_pauses_init(kio_pauses *pauses) {
  kio_list_init(&pauses->requests);
}

static uint32_t clock_ms(void) {
  return (uint32_t)(kio_real_now_ns() / NS_PER_MS);
}

/* 0: it is over. */
static uint32_t left_ms(const kio_request *request, uint32_t now_ms) {
  int32_t left = (int32_t)(request->due_ms - now_ms);
  return left > 0 ? (uint32_t)left : 0;
}

static bool cancelled(const kio_request *request) {
  return request->flags & KIO_REQUEST_CANCELLING;
}

void kio_pause_begin(kio_pauses *pauses, kio_ring *ring, kio_request *request) {
  if (cancelled(request)) {
    kio_ring_complete(ring, request, -ECANCELED);
    return;
  }
  request->due_ms = clock_ms() + (1U << (request->tries < LONGEST ? request->tries : LONGEST));
  if (request->tries < LONGEST) request->tries++;
  kio_ring_put_off(request, &pauses->requests);
}

void kio_pauses_end(const kio_pauses *pauses, kio_ring *ring) {
  uint32_t now_ms = clock_ms();
  KIO_LIST_EACH(&pauses->requests, link) {
    kio_request *request = KIO_CONTAINER(link, kio_request, link);
    kio_assert(request->state == KIO_REQUEST_QUEUED && (request->tries > 0 || cancelled(request)));
    if (!cancelled(request) && left_ms(request, now_ms) > 0) continue;
    kio_ring_resume(ring, request, cancelled(request));
  }
}

int64_t kio_pauses_next_ns(const kio_pauses *pauses) {
  int64_t next = KIO_NEVER;
  uint32_t now_ms = clock_ms();
  KIO_LIST_EACH(&pauses->requests, link) {
    uint32_t left = left_ms(KIO_CONTAINER(link, kio_request, link), now_ms);
    next = kio_min_ns(next, (int64_t)left * NS_PER_MS);
  }
  return next;
}
