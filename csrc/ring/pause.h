/* Backoff: requests that wait for a moment before they are tried again, because no event tells when
   that is worth while. The pauses of one request grow, from a millisecond on: nothing is burnt, and
   nobody waits much longer than needed. They are of real time, whatever clock the ring has. */
#ifndef KIO_PAUSE_H
#define KIO_PAUSE_H

#include "ring/ring.h"

typedef struct kio_pauses {
  kio_list requests; /* QUEUED ones, by link */
} kio_pauses;

/* Nobody waits yet. */
void kio_pauses_init(kio_pauses *pauses);
/* Puts an INFLIGHT request off. One that is being cancelled has had its try: it completes. */
void kio_pause_begin(kio_pauses *pauses, kio_ring *ring, kio_request *request);
/* Requests whose pause is over are queued again, those that are being cancelled complete. */
void kio_pauses_end(const kio_pauses *pauses, kio_ring *ring);
/* kio_pauses_left_ns when there are some. */
int64_t kio_pauses_next_ns(const kio_pauses *pauses);
/* When the next of them is over: 0 now, KIO_NEVER without any. */
static inline int64_t kio_pauses_left_ns(const kio_pauses *pauses) {
  return kio_list_empty(&pauses->requests) ? KIO_NEVER : kio_pauses_next_ns(pauses);
}

#endif
