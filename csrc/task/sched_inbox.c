/* How a scheduler hears of other threads: its inbox, the read that lets a post end its wait, and
   the offers that it takes from its runtime. Called by the scheduler's thread only. */
#include "task/sched_inbox.h"

#include <errno.h>

#include "base/config.h"
#include "base/log.h"
#include "task/collect.h"
#include "task/here.h"
#include "task/io.h"

static void wake_came(kio_request *request) {
  kio_request_renew(request); /* sent again when the next wait begins */
}

static int new_wake(kio_sched *sched, int fd) {
  kio_assert(!sched->door.wake);
  kio_request *request = kio_slab_take(&sched->ring.slab);
  if (!request) return -ENOMEM;
  request->op = KIO_OP_READ;
  request->fd = fd;
  request->done = wake_came;
  request->buffer = kio_buffer_take(&sched->buffers, sizeof(uint64_t));
  request->arg.io =
      (kio_arg_io){.buf = request->buffer.data, .size = sizeof(uint64_t), .offset = (uint64_t)-1};
  if (request->buffer.data) sched->door.wake = request; /* the end of the run gives it back */
  else kio_sched_release(sched, request);
  return sched->door.wake ? 0 : -ENOMEM;
}

kio_inbox *kio_sched_inbox(kio_sched *sched, int *err) {
  kio_worker *worker = sched->config.worker;
  *err = worker ? 0 : -ENOTSUP;
  if (sched->door.inbox || !worker) return sched->door.inbox;
  if (!worker->inbox) worker->inbox = kio_inbox_new(err);
  lua_State *L = sched->current ? sched->leaf : sched->L;
  if (!worker->inbox && kio_collect(L, *err, 1)) worker->inbox = kio_inbox_new(err);
  if (!worker->inbox) return NULL;
  *err = new_wake(sched, kio_inbox_fd(worker->inbox));
  return *err ? NULL : (sched->door.inbox = kio_inbox_ref(worker->inbox));
}

kio_pool *kio_sched_pool(kio_sched *sched, int *err) {
  kio_worker *worker = sched->config.worker;
  kio_pool *pool = worker ? kio_runtime_pool(worker->runtime) : NULL;
  *err = pool ? 0 : -ENOMEM;
  return pool;
}

/* A worker that has nothing to run takes an offer. One that always has looks for a sleeping one now
   and then, and takes the offer if there is none: it would lie behind whatever this one has to run.
   Who offers wakes one worker for each offer: one that has slept and leaves some behind wakes
   another. */
static void take_offer(kio_sched *sched) {
  kio_worker *worker = sched->config.worker;
  bool slept = sched->door.slept;
  sched->door.slept = false;
  if (!kio_runtime_has_offers(worker->runtime)) return;
  if (sched->root.active) {
    kio_worker_retire(worker);
    return;
  }
  bool idle = sched->ready_count == 0;
  if (!idle && sched->stats.turns % KIO_OFFER_TURNS > 0) return;
  if (!idle && kio_runtime_pass_on(worker->runtime)) return;
  kio_post *offer = kio_runtime_take_offer(worker->runtime);
  if (offer) offer->arrive(offer, sched);
  if (slept) kio_runtime_pass_on(worker->runtime);
}

/* Somebody has woken this worker, and somebody else was faster. */
static void log_idle_wake(const kio_sched *sched) {
  bool woken = sched->door.slept && sched->door.wake->state == KIO_REQUEST_IDLE;
  if (woken && !kio_runtime_has_offers(sched->config.worker->runtime)) {
    kio_log("worker %u was woken for nothing", sched->config.worker->id);
  }
}

/* The offer comes before what was posted, or that might hold it up. */
void kio_sched_take_posts(kio_sched *sched) {
  kio_debug_assert(sched->door.slept || !sched->door.idle);
  if (sched->door.idle) kio_worker_busy(sched->config.worker);
  sched->door.idle = false;
  kio_post *post = kio_inbox_take(sched->door.inbox);
  if (!post) log_idle_wake(sched);
  take_offer(sched);
  while (post) {
    kio_post *next = post->next; /* `arrive` may free it */
    post->arrive(post, sched);
    post = next;
  }
}

/* Whether its runtime has offers that it would take. */
static inline bool is_offered(const kio_sched *sched) {
  return !sched->root.active && kio_runtime_has_offers(sched->config.worker->runtime);
}

bool kio_sched_has_posts(const kio_sched *sched) {
  return kio_inbox_has(sched->door.inbox) || is_offered(sched);
}

bool kio_sched_awaits_posts(const kio_sched *sched) {
  if (sched->door.expected == 0) return false;
  kio_debug_assert(sched->door.mutual <= sched->door.expected);
  if (sched->door.expected > sched->door.mutual || kio_inbox_has(sched->door.inbox)) return true;
  return !kio_runtime_alone(sched->config.worker->runtime);
}

/* Whether only tasks of other workers can wake one here. */
static bool is_idle(const kio_sched *sched) {
  return sched->timers.count == 0 && sched->door.expected == sched->door.mutual &&
         !sched->root.active && sched->ring.pending == 0 && kio_list_empty(&sched->ring.completed);
}

bool kio_sched_sleep(kio_sched *sched) {
  kio_request *wake = sched->door.wake;
  if (is_offered(sched)) return false; /* who posts now need not write to the eventfd */
  kio_debug_assert(wake->state == KIO_REQUEST_IDLE || kio_request_under_way(wake));
  if (wake->state == KIO_REQUEST_IDLE) {
    wake->flags |= KIO_REQUEST_SILENT;
    kio_ring_queue(&sched->ring, wake);
  }
  sched->ring.expects = kio_sched_awaits_posts(sched);
  if (!kio_inbox_sleep(sched->door.inbox)) return false; /* something was posted */
  sched->door.slept = true;
  if (is_offered(sched)) return false;
  sched->door.idle = is_idle(sched);
  if (sched->door.idle) kio_worker_idle(sched->config.worker);
  return true;
}
