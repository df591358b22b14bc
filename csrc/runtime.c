/* Owns the workers, the queue of offered jobs, the pool and the lock around them. Invariants, under
   the lock: a worker's state only grows; `refs` counts the maker and each thread that is not yet
   over, and the last one frees the runtime; `offered` is the length of the queue.
   No lost job: an offer is counted before a sleeping worker is looked for, a worker marks its inbox
   asleep before it looks at the count, and both are sequentially consistent. So either the worker
   sees the job, or the offer sees it asleep and wakes it. A worker that was woken and leaves jobs
   behind, for whatever reason, wakes the next one, so no job lies while a worker sleeps.
   No false deadlock: who finds that all workers are idle looks at every inbox, and then whether a
   worker has ceased to be idle meanwhile. If none has, none has taken or sent a post since, so one
   that was under way would still have been seen in its inbox. */
#include "runtime.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "config.h"
#include "memory.h"
#include "thread.h"

#define CEASED ((uint64_t)1 << 32) /* one in the upper half of `idle` */

struct kio_runtime {
  kio_runtime_config config;
  pthread_mutex_t lock;
  pthread_cond_t moved;   /* a worker has changed its state */
  kio_pool *pool;         /* NULL: not needed yet */
  kio_post *first;        /* jobs offered, oldest first */
  kio_post **last;        /* where the next one is linked */
  atomic_size_t offered;  /* how many */
  kio_post alarm;         /* tells worker 1 of the first failure */
  kio_post request;       /* and that the run is asked to stop */
  kio_post deadlock;      /* and that all workers wait for each other */
  atomic_bool deadlocked; /* `deadlock` has been sent */
  /* How many workers are idle; in the upper half how often one has ceased to be. */
  _Atomic uint64_t idle;
  bool alarmed;  /* `alarm` has been sent */
  bool asked;    /* `request` has */
  unsigned next; /* the worker that is looked at first for the next job */
  unsigned refs;
  bool ended;
  bool pinned; /* the caller's thread, which ran on `before` */
  cpu_set_t before;
  kio_worker workers[];
};

/* ---- life ---- */

static void free_runtime(kio_runtime *rt) {
  for (unsigned i = 0; i < rt->config.threads; i++) kio_inbox_unref(rt->workers[i].inbox);
  kio_pool_unref(rt->pool);
  pthread_cond_destroy(&rt->moved);
  pthread_mutex_destroy(&rt->lock);
  kio_memory_free(rt);
}

static void ignore(kio_post *post) {
  (void)post; /* it lies in what outlives it */
}

/* A run of one thread gets its inbox when somebody needs it: kio_sched_inbox. */
static bool alone(const kio_runtime *rt) {
  return rt->config.threads == 1 && rt->config.caller_is_first;
}

static int make_workers(kio_runtime *rt) {
  int err = 0;
  for (unsigned i = 0; i < rt->config.threads && err == 0; i++) {
    kio_worker *worker = &rt->workers[i];
    *worker = (kio_worker){.runtime = rt, .id = i + 1};
    bool here = i == 0 && rt->config.caller_is_first;
    worker->state = here ? KIO_WORKER_RUNNING : KIO_WORKER_STARTING;
    worker->stop.drop = ignore;
    if (!alone(rt)) worker->inbox = kio_inbox_new(&err);
  }
  return err;
}

kio_runtime *kio_runtime_new(const kio_runtime_config *config, int *err) {
  kio_assert(config->threads > 0);
  kio_runtime *rt = kio_memory_new(sizeof *rt + config->threads * sizeof rt->workers[0]);
  *err = -ENOMEM;
  if (!rt) return NULL;
  rt->config = *config;
  rt->refs = 1;
  rt->last = &rt->first;
  rt->alarm = (kio_post){.arrive = config->on_failure, .drop = ignore};
  rt->request = (kio_post){.arrive = config->on_stop, .drop = ignore};
  rt->deadlock = (kio_post){.arrive = config->on_deadlock, .drop = ignore};
  pthread_mutex_init(&rt->lock, NULL);
  kio_cond_init(&rt->moved);
  *err = make_workers(rt);
  if (*err == 0) return rt;
  free_runtime(rt);
  return NULL;
}

/* Gives a reference back, and the lock with it. */
static void leave(kio_runtime *rt) {
  kio_assert(rt->refs > 0);
  bool last = --rt->refs == 0;
  pthread_mutex_unlock(&rt->lock);
  if (last) free_runtime(rt);
}

void kio_runtime_unref(kio_runtime *rt) {
  if (!rt) return;
  pthread_mutex_lock(&rt->lock);
  leave(rt);
}

unsigned kio_runtime_count(const kio_runtime *rt) {
  return rt->config.threads;
}

kio_worker *kio_runtime_worker(kio_runtime *rt, unsigned id) {
  kio_assert(id >= 1 && id <= rt->config.threads);
  return &rt->workers[id - 1];
}

kio_pool *kio_runtime_pool(kio_runtime *rt) {
  pthread_mutex_lock(&rt->lock);
  if (!rt->pool && !rt->ended) rt->pool = kio_pool_new(&rt->config.pool);
  kio_pool *pool = rt->pool;
  pthread_mutex_unlock(&rt->lock);
  return pool;
}

void kio_runtime_pool_stats(kio_runtime *rt, kio_pool_stats *stats) {
  pthread_mutex_lock(&rt->lock);
  kio_pool *pool = rt->pool;
  pthread_mutex_unlock(&rt->lock);
  *stats = (kio_pool_stats){0};
  if (pool) kio_pool_stats_read(pool, stats);
}

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
  return alone(rt) && quiet(rt);
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

/* ---- a worker's thread ---- */

static void move_on(kio_worker *worker, kio_worker_state state) {
  kio_assert(worker->state < state);
  worker->state = (uint8_t)state;
  pthread_cond_broadcast(&worker->runtime->moved);
}

void kio_worker_started(kio_worker *worker) {
  pthread_mutex_lock(&worker->runtime->lock);
  move_on(worker, KIO_WORKER_RUNNING);
  pthread_mutex_unlock(&worker->runtime->lock);
}

void kio_worker_failed(kio_worker *worker, const char *why) {
  kio_runtime *rt = worker->runtime;
  pthread_mutex_lock(&rt->lock);
  if (!worker->failure[0]) snprintf(worker->failure, sizeof worker->failure, "%s", why);
  if (rt->alarm.arrive && !rt->alarmed) kio_inbox_post(rt->workers[0].inbox, &rt->alarm);
  rt->alarmed = true;
  pthread_mutex_unlock(&rt->lock);
}

void kio_runtime_ask_stop(kio_runtime *rt) {
  pthread_mutex_lock(&rt->lock);
  if (rt->request.arrive && !rt->asked) kio_inbox_post(rt->workers[0].inbox, &rt->request);
  rt->asked = true;
  pthread_mutex_unlock(&rt->lock);
}

static void pin_to(const kio_runtime_config *config, unsigned id) {
  cpu_set_t set;
  if (!config->cpus) return;
  CPU_ZERO(&set);
  CPU_SET((size_t)config->cpus[(id - 1) % config->cpu_count], &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

static void *thread_main(void *arg) {
  kio_worker *worker = arg;
  kio_runtime *rt = worker->runtime;
  pin_to(&rt->config, worker->id);
  rt->config.main(worker, rt->config.context);
  kio_inbox_close(worker->inbox); /* what main has left there is refused, not lost */
  kio_worker_retire(worker);
  pthread_mutex_lock(&rt->lock);
  move_on(worker, KIO_WORKER_OVER);
  leave(rt);
  return NULL;
}

/* ---- start ---- */

static void pin_caller(kio_runtime *rt) {
  rt->pinned = pthread_getaffinity_np(pthread_self(), sizeof rt->before, &rt->before) == 0;
  if (rt->pinned) pin_to(&rt->config, 1);
}

static int start_thread(kio_worker *worker) {
  kio_runtime *rt = worker->runtime;
  char name[16];
  snprintf(name, sizeof name, "kio-worker-%u", worker->id);
  pthread_mutex_lock(&rt->lock);
  int err = kio_thread_start(&worker->thread, name, KIO_THREAD_STACK, thread_main, worker);
  worker->threaded = err == 0;
  if (err == 0) rt->refs++;
  pthread_mutex_unlock(&rt->lock);
  return err;
}

/* Waits until every thread has come as far as `state`, or the time is up. */
static void await_state(kio_runtime *rt, kio_worker_state state, int64_t until_ns) {
  bool in_time = true;
  for (unsigned i = 0; i < rt->config.threads; i++) {
    const kio_worker *worker = &rt->workers[i];
    while (worker->threaded && worker->state < state && in_time) {
      in_time = kio_cond_wait(&rt->moved, &rt->lock, until_ns);
    }
  }
}

static bool take_failure(kio_runtime *rt, char failure[KIO_FAILURE_MAX]) {
  for (unsigned i = 0; i < rt->config.threads; i++) {
    kio_worker *worker = &rt->workers[i];
    if (!worker->failure[0]) continue;
    snprintf(failure, KIO_FAILURE_MAX, "worker %u: %.*s", worker->id, KIO_FAILURE_MAX - 32,
             worker->failure);
    worker->failure[0] = '\0';
    return true;
  }
  return false;
}

bool kio_runtime_failed(kio_runtime *rt, char failure[KIO_FAILURE_MAX]) {
  pthread_mutex_lock(&rt->lock);
  bool found = take_failure(rt, failure);
  pthread_mutex_unlock(&rt->lock);
  return found;
}

int kio_runtime_start(kio_runtime *rt, char failure[KIO_FAILURE_MAX]) {
  int err = 0;
  if (rt->config.caller_is_first && rt->config.cpus) pin_caller(rt);
  for (unsigned i = 0; i < rt->config.threads && err == 0; i++) {
    kio_worker *worker = &rt->workers[i];
    if (worker->state == KIO_WORKER_STARTING) err = start_thread(worker);
    if (err) snprintf(worker->failure, sizeof worker->failure, "%s", strerror(-err));
  }
  pthread_mutex_lock(&rt->lock);
  await_state(rt, KIO_WORKER_RUNNING, KIO_NEVER);
  bool failed = take_failure(rt, failure);
  pthread_mutex_unlock(&rt->lock);
  return failed ? (err ? err : -ECANCELED) : 0;
}

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
  bool taken = !rt->ended;
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

/* ---- the end ---- */

static void order_stop(kio_runtime *rt) {
  for (unsigned i = 0; i < rt->config.threads; i++) {
    kio_worker *worker = &rt->workers[i];
    if (worker->threaded) kio_inbox_post(worker->inbox, &worker->stop); /* refused: it is over */
  }
}

static void drop_offers(kio_runtime *rt) {
  kio_post *job;
  while ((job = kio_runtime_take(rt))) job->drop(job);
}

/* Joins the workers that are over, leaves the others alone; adds those to `late`. */
static size_t let_go(kio_runtime *rt, char *late, size_t size) {
  size_t used = 0;
  for (unsigned i = 0; i < rt->config.threads; i++) {
    kio_worker *worker = &rt->workers[i];
    if (!worker->threaded) continue;
    worker->threaded = false;
    pthread_mutex_lock(&rt->lock);
    bool over = worker->state == KIO_WORKER_OVER;
    pthread_mutex_unlock(&rt->lock);
    if (over) kio_thread_join(worker->thread);
    else kio_thread_abandon(worker->thread);
    if (over || used >= size) continue;
    used += (size_t)snprintf(late + used, size - used, "%sworker %u", used ? ", " : "", worker->id);
  }
  return kio_min_size(used, size - 1);
}

static size_t end_pool(kio_runtime *rt, int64_t until_ns, char *late, size_t size) {
  char names[96];
  pthread_mutex_lock(&rt->lock);
  kio_pool *pool = rt->pool; /* stays: threads that are late may still ask it for something */
  pthread_mutex_unlock(&rt->lock);
  if (!pool || kio_pool_end(pool, until_ns, names, sizeof names) == 0) return 0;
  snprintf(late, size, "%s", names);
  return strlen(late);
}

bool kio_runtime_end(kio_runtime *rt, int64_t until_ns, char *late, size_t size) {
  late[0] = '\0';
  pthread_mutex_lock(&rt->lock);
  kio_assert(!rt->ended);
  rt->ended = true;
  pthread_mutex_unlock(&rt->lock);
  if (rt->pinned) pthread_setaffinity_np(pthread_self(), sizeof rt->before, &rt->before);
  drop_offers(rt);
  order_stop(rt);
  pthread_mutex_lock(&rt->lock);
  await_state(rt, KIO_WORKER_OVER, until_ns);
  pthread_mutex_unlock(&rt->lock);
  size_t used = let_go(rt, late, size);
  if (used > 0 && used + 3 < size) used += (size_t)snprintf(late + used, size - used, ", ");
  size_t more = end_pool(rt, until_ns, late + used, size - used);
  if (more == 0 && used > 0) late[used - 2] = '\0';
  return used + more > 0;
}
