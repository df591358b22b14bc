/* The slab: slots never move, each tenancy has a name of its own, and a name whose tenancy has
   ended finds nothing (R23). */
#include "check.h"
#include "base/config.h"
#include "base/memory.h"
#include "ring/request.h"

enum { SLOTS = 1000, STEPS = 200000, PAST = 4096 };

static kio_slab slab;
static kio_request *taken[SLOTS];
static uint64_t ids[SLOTS];
static kio_request *place[SLOTS + KIO_SLAB_CHUNK]; /* where slot i was first seen */
static uint64_t past[PAST];                        /* names of tenancies that have ended */
static size_t past_count;
static size_t count;

static void take(void) {
  if (count == SLOTS) return;
  kio_request *r = kio_slab_take(&slab);
  CHECK(r && r->state == KIO_REQUEST_IDLE && r->flags == 0 && r->result == 0);
  CHECK(!r->buffer.data && kio_request_index(r) < KIO_COUNT(place));
  if (!place[kio_request_index(r)]) place[kio_request_index(r)] = r;
  CHECK(place[kio_request_index(r)] == r);
  taken[count] = r;
  ids[count++] = r->id;
  CHECK(r->id != 0);
}

static void give(void) {
  if (count == 0) return;
  size_t at = check_below(count);
  past[past_count++ % PAST] = ids[at];
  taken[at]->state = check_below(2) ? KIO_REQUEST_DONE : KIO_REQUEST_IDLE;
  kio_slab_give(&slab, taken[at]);
  taken[at] = taken[--count];
  ids[at] = ids[count];
}

/* Used again by the same owner: a new name all the same. */
static void renew(void) {
  if (count == 0) return;
  size_t at = check_below(count);
  past[past_count++ % PAST] = ids[at];
  taken[at]->state = KIO_REQUEST_DONE;
  kio_request_renew(taken[at]);
  ids[at] = taken[at]->id;
}

static void compare(void) {
  CHECK(slab.taken == count);
  if (count > 0) {
    size_t at = check_below(count);
    CHECK(kio_slab_find(&slab, ids[at]) == taken[at]);
    CHECK(taken[at]->id == ids[at]);
  }
  if (past_count > 0) {
    size_t known = past_count < PAST ? past_count : PAST;
    CHECK(kio_slab_find(&slab, past[check_below(known)]) == NULL);
  }
}

static void odd_names(void) {
  CHECK(kio_slab_find(&slab, 0) == NULL);
  CHECK(kio_slab_find(&slab, UINT64_MAX) == NULL);
  CHECK(kio_slab_find(&slab, UINT32_MAX) == NULL);
  CHECK(kio_slab_find(&slab, slab.chunk_count * KIO_SLAB_CHUNK + 1) == NULL);
  for (int i = 0; i < 1000; i++) {
    kio_request *r = kio_slab_find(&slab, check_random());
    CHECK(!r || r->state != KIO_REQUEST_FREE);
  }
}

/* Without memory a take fails and what is there stays. */
static void no_memory(void) {
  for (long n = 1; n <= 2; n++) {
    size_t before = slab.chunk_count;
    while (!kio_list_empty(&slab.free)) taken[count++] = kio_slab_take(&slab);
    kio_memory_fail_at(n);
    CHECK(kio_slab_take(&slab) == NULL && slab.chunk_count == before && slab.taken == count);
    kio_memory_fail_at(0);
    taken[count] = kio_slab_take(&slab);
    CHECK(taken[count++]);
  }
  while (count > 0) kio_slab_give(&slab, taken[--count]);
}

int main(void) {
  kio_slab_init(&slab);
  for (int step = 0; step < STEPS; step++) {
    bool grows = (step / 5000) % 2 == 0;
    if (check_below(100) < (grows ? 70u : 30u)) take();
    else give();
    if (check_below(10) == 0) renew();
    compare();
  }
  odd_names();
  while (count > 0) give();
  kio_slab_fini(&slab);
  past_count = 0;
  no_memory();
  kio_slab_fini(&slab);
  CHECK(kio_memory_live() == 0);
  return 0;
}
