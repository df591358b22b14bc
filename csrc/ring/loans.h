/* Buffers that a ring lends: a receive that waits holds no memory, and gets a buffer when bytes
   arrive. Numbered places lie ready for the kernel to fill; what it has filled belongs to the
   receiver from then on, and the place gets a fresh buffer before the next entry, so nothing has to
   be brought back. Receives that find no buffer ready are tried again in their order. */
#ifndef KIO_RING_LOANS_H
#define KIO_RING_LOANS_H

#include "ring/buffer.h"
#include "ring/ring.h"

typedef struct kio_loans {
  kio_buffers *from;     /* where the buffers come from */
  char **places;         /* what lies ready, by number; NULL: the place is vacant */
  uint16_t *vacant;      /* the numbers of the vacant places, a stack */
  unsigned vacant_count; /* how many */
  unsigned size;         /* places; a power of two */
  unsigned wanted;       /* how many are to be ready; doubled when they did not suffice */
  kio_list starved;      /* requests that found none, first come first, by link */
} kio_loans;

/* `places` (at most KIO_LOANS_LIMIT, rounded up to a power of two) for buffers from this set. False
   when memory is out. */
bool kio_loans_init(kio_loans *loans, kio_buffers *from, unsigned places);
/* Gives back what lies ready: no request may use it any more. */
void kio_loans_fini(kio_loans *loans);
static inline unsigned kio_loans_ready(const kio_loans *loans) {
  return loans->size - loans->vacant_count;
}
/* Puts a buffer of KIO_BUFFER_MIN bytes into a vacant place: its number, or -1 when memory is
   out. */
static inline int kio_loans_place(kio_loans *loans) {
  kio_buffer buffer = kio_buffer_take(loans->from, KIO_BUFFER_MIN);
  if (!buffer.data) return -1;
  kio_debug_assert(loans->vacant_count > 0);
  unsigned number = loans->vacant[--loans->vacant_count];
  kio_debug_assert(!loans->places[number]);
  loans->places[number] = buffer.data;
  loans->from->taken--; /* it lies ready: taken is what somebody has */
  return (int)number;
}
/* The kernel has filled the buffer of this number: it is the caller's now, the place vacant. */
static inline kio_buffer kio_loans_take(kio_loans *loans, unsigned number) {
  kio_assert(number < loans->size && loans->places[number]);
  kio_buffer buffer = {loans->places[number], KIO_BUFFER_MIN};
  loans->places[number] = NULL;
  loans->vacant[loans->vacant_count++] = (uint16_t)number;
  loans->from->taken++;
  return buffer;
}
/* A request in flight found no buffer: it is QUEUED here, and more are wanted from now on. */
void kio_loans_starve(kio_loans *loans, kio_request *request);
/* Queues starved requests again, in front of all others, as many as buffers are ready; false when
   some are left. When there is no memory for a single buffer, all of them fail. */
bool kio_loans_feed(kio_loans *loans, kio_ring *ring);
#ifdef KIO_TEST
/* Every place is either vacant or ready, and whoever starves is a receive that waits here. */
void kio_loans_verify(const kio_loans *loans);
#endif

#endif
