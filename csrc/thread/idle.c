/* Owns the count of workers that are idle: whether there is anything left to do.
   No false deadlock: who finds that all workers are idle looks at every inbox, and then whether a
   worker has ceased to be idle meanwhile. If none has, none has taken or sent a post since, so one
   that was under way would still have been seen in its inbox. Called as thread/runtime.h says. */
#include "thread/runtime_parts.h"

#define CEASED ((uint64_t)1 << 32) /* one in the upper half of `idle` */

/* Whether there is nothing that is done beside the workers' tasks. */
static bool quiet(kio_runtime *rt) {
  kio_pool_stats stats;
  if (kio_runtime_has_offers(rt)) return false;
  kio_runtime_pool_stats(rt, &stats);
  unsigned jobs = 0;
  for (size_t i = 0; i < KIO_LANE_COUNT; i++) jobs += stats.running[i] + stats.queued[i];
  return jobs == 0;
}

bool kio_runtime_alone(kio_runtime *rt) {
  return kio_runtime_is_single(rt) && quiet(rt);
}

static bool all_asleep(kio_runtime *rt) {
  for (unsigned i = 0; i < rt->config.threads; i++) {
    if (!kio_inbox_asleep(rt->workers[i].inbox)) return false;
  }
  return true;
}

void kio_worker_idle(kio_worker *worker) {
  kio_runtime *rt = worker->runtime;
  uint64_t now = atomic_fetch_add(&rt->idle, 1) + 1;
  kio_assert((uint32_t)now <= rt->config.threads);
  if ((uint32_t)now < rt->config.threads || !rt->config.on_deadlock) return;
  if (!quiet(rt) || !all_asleep(rt) || atomic_load(&rt->idle) != now) return;
  if (atomic_exchange(&rt->deadlocked, true)) return;
  kio_inbox_post(rt->workers[0].inbox, &rt->deadlock);
}

void kio_worker_busy(kio_worker *worker) {
  uint64_t before = atomic_fetch_add(&worker->runtime->idle, CEASED - 1);
  kio_assert((uint32_t)before > 0);
}
