/* The lists every ring shares, on a backend that does as the test says: a request completes exactly
   once, `pending` counts what is queued or in flight and nothing else (R4), and a completion whose
   request has ended is dropped, whoever has its slot now (R23). */
#include "check.h"
#include "base/memory.h"
#include "ring/ring.h"

#include <errno.h>
#include <string.h>

enum { REQUESTS = 100, STEPS = 100000, STALE = 512 };

/* ---- a backend without a kernel ---- */

static kio_list inflight; /* by link */
static int64_t last_wait_ns;

static int fake_open(kio_ring *ring, const kio_ring_config *config) {
  (void)ring;
  kio_list_init(&inflight);
  return config->entries == 0 ? -EINVAL : 0;
}

static void fake_close(kio_ring *ring) {
  (void)ring;
}

static void fake_enter(kio_ring *ring, int64_t wait_ns) {
  kio_request *r;
  last_wait_ns = wait_ns;
  for (size_t n = check_below(4); n > 0 && (r = kio_ring_next_queued(ring)); n--) {
    CHECK(r->state == KIO_REQUEST_INFLIGHT);
    kio_list_push(&inflight, &r->link);
  }
  while ((r = kio_ring_next_cancel(ring))) {
    CHECK(r->state == KIO_REQUEST_INFLIGHT && r->flags & KIO_REQUEST_CANCELLING);
    ring->stats.ignored++;
  }
}

static bool fake_wants_enter(kio_ring *ring) {
  (void)ring;
  return false;
}

static int64_t fake_now_ns(kio_ring *ring) {
  (void)ring;
  return 0;
}

static void fake_describe(kio_ring *ring, char *text, size_t size) {
  (void)ring;
  snprintf(text, size, "fake");
}

static const kio_ring_backend fake = {
    .name = "fake",
    .open = fake_open,
    .close = fake_close,
    .enter = fake_enter,
    .wants_enter = fake_wants_enter,
    .now_ns = fake_now_ns,
    .describe = fake_describe,
};

/* ---- random use ---- */

static kio_ring ring;
static kio_request *live[REQUESTS]; /* queued, in flight or completed */
static size_t count;
static uint64_t stale[STALE]; /* names of requests that have ended */
static size_t stale_count;
static uint64_t stale_sent;
static uint64_t queued_total;
static uint64_t popped_total;

static void done(kio_request *request) {
  (void)request;
}

static void queue(void) {
  if (count == REQUESTS) return;
  kio_request *r = kio_slab_take(&ring.slab);
  CHECK(r);
  r->op = KIO_OP_READ;
  r->done = done;
  kio_ring_queue(&ring, r);
  CHECK(r->state == KIO_REQUEST_QUEUED);
  live[count++] = r;
  queued_total++;
}

static void cancel(void) {
  if (count == 0) return;
  kio_request *r = live[check_below(count)];
  bool try_once = check_below(2), unseen = r->state == KIO_REQUEST_QUEUED;
  bool before = r->flags & KIO_REQUEST_CANCELLING;
  kio_ring_cancel(&ring, r, try_once);
  if (unseen && !try_once && !before) {
    CHECK(r->state == KIO_REQUEST_COMPLETE && r->result == -ECANCELED);
  }
  if (unseen && try_once) CHECK(r->state == KIO_REQUEST_QUEUED);
}

static void complete(void) {
  kio_link *first = kio_list_pop(&inflight);
  if (!first) return;
  kio_request *r = KIO_CONTAINER(first, kio_request, link);
  kio_ring_complete_id(&ring, r->id, 7);
  CHECK(r->state == KIO_REQUEST_COMPLETE && r->result == 7);
  CHECK(!kio_link_linked(&r->cancel_link));
  kio_ring_complete_id(&ring, r->id, 8); /* a second one is not believed */
  stale_sent++;
  CHECK(r->result == 7);
}

static void forget(const kio_request *r) {
  size_t at = 0;
  while (at < count && live[at] != r) at++;
  CHECK(at < count); /* not popped before */
  live[at] = live[--count];
}

static void pop(void) {
  kio_request *r = kio_ring_pop(&ring);
  if (!r) return;
  CHECK(r->state == KIO_REQUEST_DONE && (r->result == 7 || r->result == -ECANCELED));
  forget(r);
  popped_total++;
  stale[stale_count++ % STALE] = r->id;
  kio_slab_give(&ring.slab, r);
}

static void send_stale(void) {
  size_t known = stale_count < STALE ? stale_count : STALE;
  if (known == 0) return;
  kio_ring_complete_id(&ring, stale[check_below(known)], 9);
  stale_sent++;
}

static void compare(void) {
  size_t pending = 0;
  for (size_t i = 0; i < count; i++) {
    CHECK(live[i]->result != 9);
    pending += live[i]->state == KIO_REQUEST_QUEUED || live[i]->state == KIO_REQUEST_INFLIGHT;
  }
  CHECK(ring.pending == pending);
  CHECK(ring.stats.stale == stale_sent);
  CHECK(ring.stats.completions == popped_total + (count - pending));
  CHECK(ring.stats.ops[KIO_OP_READ] == queued_total);
  CHECK(ring.slab.taken == count);
}

static void enter(void) {
  bool complete_before = !kio_list_empty(&ring.completed);
  kio_ring_enter(&ring, 5);
  CHECK(last_wait_ns == (complete_before ? 0 : 5)); /* nobody waits with results at hand */
}

static void step(void) {
  size_t dice = check_below(100);
  if (dice < 30) queue();
  else if (dice < 45) cancel();
  else if (dice < 60) enter();
  else if (dice < 80) complete();
  else if (dice < 95) pop();
  else send_stale();
}

static void drain(void) {
  while (count > 0) {
    enter();
    complete();
    pop();
  }
  CHECK(ring.pending == 0 && popped_total == queued_total);
}

int main(void) {
  const kio_ring_config config = {.entries = 8};
  CHECK(kio_ring_open(&ring, &fake, &(kio_ring_config){0}) == -EINVAL);
  kio_ring_close(&ring); /* of one that did not open: nothing */
  CHECK(kio_ring_open(&ring, &fake, &config) == 0);
  for (int i = 0; i < STEPS; i++) {
    step();
    compare();
  }
  drain();
  CHECK(ring.stats.ignored > 0 && ring.stats.stale > 0);
  kio_ring_close(&ring);
  CHECK(kio_memory_live() == 0);
  return 0;
}
