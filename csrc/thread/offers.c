/* Owns the queue of offers. Invariant, under the runtime's lock: `offered` is the length of the
   queue.
   No lost offer: one is counted before a sleeping worker is looked for, a worker marks its inbox
   asleep before it looks at the count, and both are sequentially consistent. So either the worker
   sees the offer, or who offers sees it asleep and wakes it. A worker that was woken and leaves
   offers behind, for whatever reason, wakes the next one, so no offer lies while a worker sleeps.
   Called as thread/runtime.h says. */
#include "thread/runtime_parts.h"

/* Under the lock. */
static void check_queue(const kio_runtime *rt) {
  kio_assert((rt->first == NULL) == (rt->last == &rt->first));
  kio_assert((rt->first == NULL) == (atomic_load(&rt->offered) == 0));
}

static bool wake_one(kio_runtime *rt) {
  unsigned count = rt->config.threads;
  for (unsigned i = 0; i < count; i++) {
    unsigned at = (rt->next + i) % count;
    const kio_worker *worker = &rt->workers[at];
    if (worker->retired || !worker->inbox || !kio_inbox_rouse(worker->inbox)) continue;
    rt->next = at + 1;
    return true;
  }
  return false;
}

bool kio_runtime_offer(kio_runtime *rt, kio_post *offer) {
  pthread_mutex_lock(&rt->lock);
  bool taken = !rt->ended && !rt->deserted;
  if (taken) {
    offer->next = NULL;
    *rt->last = offer;
    rt->last = &offer->next;
    atomic_fetch_add(&rt->offered, 1);
    check_queue(rt);
    wake_one(rt);
  }
  pthread_mutex_unlock(&rt->lock);
  return taken;
}

void kio_worker_retire(kio_worker *worker) {
  kio_runtime *rt = worker->runtime;
  pthread_mutex_lock(&rt->lock);
  if (!worker->retired && kio_runtime_has_offers(rt)) wake_one(rt);
  worker->retired = true;
  pthread_mutex_unlock(&rt->lock);
}

bool kio_runtime_pass_on(kio_runtime *rt) {
  pthread_mutex_lock(&rt->lock);
  bool woken = kio_runtime_has_offers(rt) && wake_one(rt);
  pthread_mutex_unlock(&rt->lock);
  return woken;
}

kio_post *kio_runtime_take_offer(kio_runtime *rt) {
  if (!kio_runtime_has_offers(rt)) return NULL;
  pthread_mutex_lock(&rt->lock);
  kio_post *offer = rt->first;
  if (offer) {
    rt->first = offer->next;
    if (!rt->first) rt->last = &rt->first;
    atomic_fetch_sub(&rt->offered, 1);
  }
  check_queue(rt);
  pthread_mutex_unlock(&rt->lock);
  return offer;
}

bool kio_runtime_has_offers(const kio_runtime *rt) {
  return atomic_load(&rt->offered) > 0;
}
