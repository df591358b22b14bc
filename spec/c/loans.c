/* Lent buffers: a buffer is in one place or with one receiver, what lies ready is not counted as
   taken, and who starves is tried again in order, before all others, as far as buffers are ready.
   */
#include "check.h"
#include "base/config.h"
#include "ring/loans.h"
#include "base/memory.h"

#include <errno.h>
#include <string.h>

enum { PLACES = 8, STEPS = 50000, REQUESTS = 40 };

static kio_buffers set;
static kio_loans loans;

/* Places are filled and emptied at random: each buffer still holds what was written when it was
   placed, so no two are the same. */
static void at_random(void) {
  kio_buffer held[PLACES];
  unsigned char mark[1 << 16] = {0};
  size_t count = 0;
  CHECK(kio_loans_init(&loans, &set, PLACES));
  loans.wanted = PLACES;
  for (int step = 0; step < STEPS; step++) {
    size_t taken = set.taken;
    unsigned ready = kio_loans_ready(&loans), number = (unsigned)check_below(PLACES);
    if (ready < PLACES && check_below(2)) {
      int placed = kio_loans_place(&loans);
      CHECK(placed >= 0 && placed < PLACES && set.taken == taken);
      mark[placed] = (unsigned char)check_random();
      memset(loans.places[placed], mark[placed], KIO_BUFFER_MIN);
      CHECK(kio_loans_ready(&loans) == ready + 1);
    } else if (loans.places[number] && count < PLACES) {
      kio_buffer b = kio_loans_take(&loans, number);
      CHECK(b.size == KIO_BUFFER_MIN && set.taken == taken + 1);
      CHECK((unsigned char)b.data[0] == mark[number]);
      CHECK((unsigned char)b.data[b.size - 1] == mark[number]);
      held[count++] = b;
    } else if (count > 0) {
      kio_buffer_give(&set, held[--count]);
    }
  }
  while (count > 0) kio_buffer_give(&set, held[--count]);
  kio_loans_fini(&loans);
  CHECK(set.taken == 0);
}

static void sizes(void) {
  static const unsigned asked[] = {1, 2, 3, 100, KIO_LOANS_LIMIT};
  static const unsigned given[] = {1, 2, 4, 128, KIO_LOANS_LIMIT};
  for (size_t i = 0; i < KIO_COUNT(asked); i++) {
    CHECK(kio_loans_init(&loans, &set, asked[i]));
    CHECK(loans.size == given[i] && loans.wanted >= 1 && loans.wanted <= loans.size);
    kio_loans_fini(&loans);
  }
  for (int n = 1; n <= 2; n++) {
    kio_memory_fail_at(n);
    CHECK(!kio_loans_init(&loans, &set, PLACES));
  }
  kio_memory_fail_at(0);
}

/* ---- who starves ---- */

static kio_ring ring;
static kio_request *requests[REQUESTS];

static void done(kio_request *request) {
  (void)request;
}

static int nothing_open(kio_ring *r, const kio_ring_config *config) {
  (void)r;
  (void)config;
  return 0;
}

static void nothing_close(kio_ring *r) {
  (void)r;
}

static const kio_ring_backend nothing = {
    .name = "nothing", .open = nothing_open, .close = nothing_close};

static void open_ring(void) {
  kio_ring_config config = {.buffers = &set};
  CHECK(kio_ring_open(&ring, &nothing, &config) == 0);
  for (int i = 0; i < REQUESTS; i++) {
    requests[i] = kio_slab_take(&ring.slab);
    requests[i]->op = KIO_OP_RECV;
    requests[i]->arg.io = (kio_arg_io){.size = KIO_BUFFER_MIN};
    requests[i]->done = done;
    kio_ring_queue(&ring, requests[i]);
  }
}

static void close_ring(void) {
  kio_request *r;
  while ((r = kio_ring_pop(&ring))) kio_slab_give(&ring.slab, r);
  CHECK(ring.pending == 0);
  kio_ring_close(&ring);
}

/* All but the last starve; each round feeds as many as there are buffers, the first ones first, and
   they overtake the one that is queued. */
static void in_order(void) {
  open_ring();
  CHECK(kio_loans_init(&loans, &set, PLACES));
  unsigned wanted = loans.wanted;
  for (int i = 0; i < REQUESTS - 1; i++) {
    CHECK(kio_ring_next_queued(&ring) == requests[i]);
    kio_loans_starve(&loans, requests[i]);
  }
  CHECK(loans.wanted == PLACES && loans.wanted >= wanted);
  for (int fed = 0; fed < REQUESTS - 1;) {
    while (kio_loans_ready(&loans) < loans.wanted) CHECK(kio_loans_place(&loans) >= 0);
    bool all = kio_loans_feed(&loans, &ring);
    for (int i = 0; i < PLACES && fed < REQUESTS - 1; i++, fed++) {
      kio_request *r = kio_ring_next_queued(&ring);
      CHECK(r == requests[fed] && r->state == KIO_REQUEST_INFLIGHT);
      r->buffer = kio_loans_take(&loans, (unsigned)i);
      kio_ring_complete(&ring, r, 1);
      kio_buffer_give(&set, r->buffer);
      r->buffer.data = NULL;
    }
    CHECK(all == (fed == REQUESTS - 1));
  }
  CHECK(kio_ring_next_queued(&ring) == requests[REQUESTS - 1]);
  kio_ring_complete(&ring, requests[REQUESTS - 1], 0);
  kio_loans_fini(&loans);
  close_ring();
  CHECK(set.taken == 0);
}

/* Without memory for a single buffer nobody waits for ever. */
static void no_memory(void) {
  open_ring();
  CHECK(kio_loans_init(&loans, &set, PLACES));
  for (int i = 0; i < REQUESTS; i++) kio_loans_starve(&loans, kio_ring_next_queued(&ring));
  CHECK(kio_loans_feed(&loans, &ring));
  for (int i = 0; i < REQUESTS; i++) CHECK(requests[i]->result == -ENOMEM);
  kio_loans_fini(&loans);
  close_ring();
}

int main(void) {
  kio_buffers_init(&set);
  at_random();
  sizes();
  in_order();
  no_memory();
  kio_buffers_fini(&set);
  CHECK(kio_memory_live() == 0);
  return 0;
}
