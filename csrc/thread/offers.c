/* Owns the queue of offered jobs, and the count of workers that are idle. Invariant, under the
   runtime's lock: `offered` is the length of the queue.
   No lost job: an offer is counted before a sleeping worker is looked for, a worker marks its inbox
   asleep before it looks at the count, and both are sequentially consistent. So either the worker
   sees the job, or the offer sees it asleep and wakes it. A worker that was woken and leaves jobs
   behind, for whatever reason, wakes the next one, so no job lies while a worker sleeps.
   No false deadlock: who finds that all workers are idle looks at every inbox, and then whether a
   worker has ceased to be idle meanwhile. If none has, none has taken or sent a post since, so one
   that was under way would still have been seen in its inbox. Called as thread/runtime.h says. */
#include "thread/runtime_parts.h"

#define CEASED ((uint64_t)1 << 32) /* one in the upper half of `idle` */

/* ---- jobs for anybody ---- */

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

bool kio_runtime_inject(kio_runtime *rt, kio_post *job) {
  pthread_mutex_lock(&rt->lock);
  bool taken = !rt->ended && !rt->deserted;
  if (taken) {
    job->next = NULL;
    *rt->last = job;
    rt->last = &job->next;
    atomic_fetch_add(&rt->offered, 1);
    wake_one(rt);
  }
  pthread_mutex_unlock(&rt->lock);
  return taken;
}

void kio_worker_retire(kio_worker *worker) {
  kio_runtime *rt = worker->runtime;
  pthread_mutex_lock(&rt->lock);
  if (!worker->retired && kio_runtime_has_jobs(rt)) wake_one(rt);
  worker->retired = true;
  pthread_mutex_unlock(&rt->lock);
}

bool kio_runtime_pass_on(kio_runtime *rt) {
  pthread_mutex_lock(&rt->lock);
  bool woken = kio_runtime_has_jobs(rt) && wake_one(rt);
  pthread_mutex_unlock(&rt->lock);
  return woken;
}

kio_post *kio_runtime_take(kio_runtime *rt) {
  if (!kio_runtime_has_jobs(rt)) return NULL;
  pthread_mutex_lock(&rt->lock);
  kio_post *job = rt->first;
  if (job) {
    rt->first = job->next;
    if (!rt->first) rt->last = &rt->first;
    atomic_fetch_sub(&rt->offered, 1);
  }
  pthread_mutex_unlock(&rt->lock);
  return job;
}

bool kio_runtime_has_jobs(const kio_runtime *rt) {
  return atomic_load(&rt->offered) > 0;
}

/* ---- nothing left to do ---- */

/* Whether there is nothing that is done beside the workers' tasks. */
static bool quiet(kio_runtime *rt) {
  kio_pool_stats stats;
  if (kio_runtime_has_jobs(rt)) return false;
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
  if ((uint32_t)now < rt->config.threads || !rt->config.on_deadlock) return;
  if (!quiet(rt) || !all_asleep(rt) || atomic_load(&rt->idle) != now) return;
  if (atomic_exchange(&rt->deadlocked, true)) return;
  kio_inbox_post(rt->workers[0].inbox, &rt->deadlock);
}

void kio_worker_busy(kio_worker *worker) {
  atomic_fetch_add(&worker->runtime->idle, CEASED - 1);
}
