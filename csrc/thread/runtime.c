/* Owns the workers, the pool and the lock around them; what any worker may take is in
   thread/offers.c, whether there is anything left to do is in thread/idle.c. Invariants, under the
   lock: a worker's state only grows; `refs` counts the maker and each thread that is not yet over,
   and the last one frees the runtime. */
#include "thread/runtime.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "base/config.h"
#include "base/escape.h"
#include "base/log.h"
#include "base/memory.h"
#include "thread/runtime_parts.h"
#include "thread/thread.h"

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

static bool is_caller(const kio_worker *worker) {
  return worker->id == 1 && worker->runtime->config.caller_is_first;
}

static int make_workers(kio_runtime *rt, char failure[KIO_FAILURE_MAX]) {
  int err = 0;
  for (unsigned i = 0; i < rt->config.threads && err == 0; i++) {
    kio_worker *worker = &rt->workers[i];
    *worker = (kio_worker){.runtime = rt, .id = i + 1};
    worker->state = is_caller(worker) ? KIO_WORKER_RUNNING : KIO_WORKER_STARTING;
    worker->stop.drop = ignore;
    if (!kio_runtime_is_single(rt)) worker->inbox = kio_inbox_new(&err);
    if (err) snprintf(failure, KIO_FAILURE_MAX, "worker %u: no inbox: %s", i + 1, strerror(-err));
  }
  return err;
}

kio_runtime *kio_runtime_new(const kio_runtime_config *config, int *err,
                             char failure[KIO_FAILURE_MAX]) {
  kio_assert(config->threads > 0);
  kio_runtime *rt = kio_memory_new(sizeof *rt + config->threads * sizeof rt->workers[0]);
  *err = -ENOMEM;
  snprintf(failure, KIO_FAILURE_MAX, "not enough memory for the workers");
  if (!rt) return NULL;
  rt->config = *config;
  rt->refs = 1;
  rt->last = &rt->first;
  rt->alarm = (kio_post){.arrive = config->on_failure, .drop = ignore};
  rt->request = (kio_post){.arrive = config->on_stop, .drop = ignore};
  rt->deadlock = (kio_post){.arrive = config->on_deadlock, .drop = ignore};
  pthread_mutex_init(&rt->lock, NULL);
  kio_cond_init(&rt->moved);
  *err = make_workers(rt, failure);
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

void kio_worker_failed(kio_worker *worker, const char *why, int err) {
  kio_runtime *rt = worker->runtime;
  pthread_mutex_lock(&rt->lock);
  if (!worker->failure[0]) {
    snprintf(worker->failure, sizeof worker->failure, "%s", why);
    worker->failure_err = err;
  }
  if (rt->alarm.arrive && !rt->alarmed) kio_inbox_post(rt->workers[0].inbox, &rt->alarm);
  rt->alarmed = true;
  pthread_mutex_unlock(&rt->lock);
}

bool kio_runtime_ask_stop(kio_runtime *rt) {
  pthread_mutex_lock(&rt->lock);
  if (rt->request.arrive && !rt->asked) kio_inbox_post(rt->workers[0].inbox, &rt->request);
  rt->asked = true;
  pthread_mutex_unlock(&rt->lock);
  return rt->config.on_stop != NULL;
}

int64_t kio_runtime_until_ns(kio_runtime *rt) {
  pthread_mutex_lock(&rt->lock);
  int64_t until = rt->until_ns;
  pthread_mutex_unlock(&rt->lock);
  return until;
}

static bool nobody_left(const kio_runtime *rt) {
  for (unsigned i = 0; i < rt->config.threads; i++) {
    if (rt->workers[i].state != KIO_WORKER_OVER) return false;
  }
  return true;
}

static void drop_offers(kio_runtime *rt) {
  kio_post *offer;
  while ((offer = kio_runtime_take_offer(rt))) offer->drop(offer);
}

static void *thread_main(void *arg) {
  kio_worker *worker = arg;
  kio_runtime *rt = worker->runtime;
  rt->config.main(worker, rt->config.context);
  kio_inbox_close(worker->inbox); /* what main has left there is refused, not lost */
  kio_worker_retire(worker);
  pthread_mutex_lock(&rt->lock);
  move_on(worker, KIO_WORKER_OVER);
  bool last = rt->deserted = nobody_left(rt);
  pthread_mutex_unlock(&rt->lock);
  if (last) drop_offers(rt);
  pthread_mutex_lock(&rt->lock);
  leave(rt);
  return NULL;
}

/* ---- start ---- */

static int cpu_of(const kio_worker *worker) {
  const kio_runtime_config *config = &worker->runtime->config;
  return config->cpus[(worker->id - 1) % config->cpu_count];
}

static int pin_caller(kio_runtime *rt, const cpu_set_t *cpus) {
  int err = cpus ? pthread_setaffinity_np(pthread_self(), sizeof *cpus, cpus) : 0;
  rt->pinned = cpus && !err;
  return -err;
}

static int start_worker(kio_worker *worker) {
  kio_runtime *rt = worker->runtime;
  char name[16];
  cpu_set_t cpus;
  kio_thread_config config = {.name = name, .stack_size = KIO_THREAD_STACK};
  snprintf(name, sizeof name, "kio-worker-%u", worker->id);
  if (rt->config.cpus) {
    CPU_ZERO(&cpus);
    CPU_SET((size_t)cpu_of(worker), &cpus);
    config.cpus = &cpus;
  }
  if (is_caller(worker)) return pin_caller(rt, config.cpus);
  pthread_mutex_lock(&rt->lock);
  int err = kio_thread_start(&worker->thread, &config, thread_main, worker);
  if (err == 0) rt->refs++;
  worker->threaded = err == 0;
  pthread_mutex_unlock(&rt->lock);
  return err;
}

/* Under the lock. */
static void not_started(kio_worker *worker, int err) {
  bool pinned = worker->runtime->config.cpus != NULL;
  worker->failure_err = err;
  if (pinned && err == -EINVAL) {
    snprintf(worker->failure, sizeof worker->failure, "it cannot run on CPU %d", cpu_of(worker));
  } else if (pinned && is_caller(worker)) {
    snprintf(worker->failure, sizeof worker->failure, "it cannot be pinned to CPU %d: %s",
             cpu_of(worker), strerror(-err));
  } else {
    snprintf(worker->failure, sizeof worker->failure, "it got no thread: %s", strerror(-err));
  }
}

/* Waits until all threads have come as far as `state`, or the time is up. */
static void await_state(kio_runtime *rt, kio_worker_state state, int64_t until_ns) {
  bool in_time = true;
  for (unsigned i = 0; i < rt->config.threads; i++) {
    const kio_worker *worker = &rt->workers[i];
    while (worker->threaded && worker->state < state && in_time) {
      in_time = kio_cond_wait(&rt->moved, &rt->lock, until_ns);
    }
  }
}

/* The errno of a failure, negative, after `failure` has been written; 0: there is none. */
static int take_failure(kio_runtime *rt, char failure[KIO_FAILURE_MAX]) {
  for (unsigned i = 0; i < rt->config.threads; i++) {
    kio_worker *worker = &rt->workers[i];
    if (!worker->failure[0]) continue;
    snprintf(failure, KIO_FAILURE_MAX, "worker %u: %.*s", worker->id, KIO_FAILURE_MAX - 32,
             worker->failure);
    worker->failure[0] = '\0';
    return worker->failure_err;
  }
  return 0;
}

bool kio_runtime_failed(kio_runtime *rt, char failure[KIO_FAILURE_MAX]) {
  pthread_mutex_lock(&rt->lock);
  bool found = take_failure(rt, failure) != 0;
  if (!found) rt->alarmed = false;
  pthread_mutex_unlock(&rt->lock);
  return found;
}

int kio_runtime_start(kio_runtime *rt, char failure[KIO_FAILURE_MAX]) {
  int err = 0;
  unsigned started = 0;
  if (rt->config.cpus && sched_getaffinity(0, sizeof rt->before, &rt->before) == 0) {
    rt->config.pool.cpus = &rt->before; /* else they would inherit those of one worker */
  }
  while (started < rt->config.threads && err == 0) err = start_worker(&rt->workers[started++]);
  pthread_mutex_lock(&rt->lock);
  if (err) not_started(&rt->workers[started - 1], err);
  await_state(rt, KIO_WORKER_RUNNING, KIO_NEVER);
  err = take_failure(rt, failure);
  pthread_mutex_unlock(&rt->lock);
  return err;
}

/* ---- the end ---- */

static void order_stop(kio_runtime *rt) {
  for (unsigned i = 0; i < rt->config.threads; i++) {
    kio_worker *worker = &rt->workers[i];
    if (worker->threaded) kio_inbox_post(worker->inbox, &worker->stop); /* refused: it is over */
  }
}

/* Adds a name to a list of them, as far as it fits. */
static void add_name(char *list, size_t size, const char *name) {
  char escaped[KIO_FAILURE_MAX];
  size_t used = strlen(list);
  kio_log("left alone at the end: %s", name);
  kio_escape(escaped, sizeof escaped, name, strlen(name), KIO_ESCAPE_NAME);
  snprintf(list + used, size - used, "%s%s", used > 0 ? ", " : "", escaped);
}

/* Joins the workers that are over, leaves the others alone; adds those to `late`. */
static void let_go(kio_runtime *rt, char *late, size_t size) {
  char name[32];
  for (unsigned i = 0; i < rt->config.threads; i++) {
    kio_worker *worker = &rt->workers[i];
    if (!worker->threaded) continue;
    worker->threaded = false;
    pthread_mutex_lock(&rt->lock);
    bool over = worker->state == KIO_WORKER_OVER;
    pthread_mutex_unlock(&rt->lock);
    if (over) kio_thread_join(worker->thread);
    else kio_thread_abandon(worker->thread);
    snprintf(name, sizeof name, "worker %u", worker->id);
    if (!over) add_name(late, size, name);
  }
}

static void end_pool(kio_runtime *rt, int64_t until_ns, char *late, size_t size) {
  char names[KIO_FAILURE_MAX];
  pthread_mutex_lock(&rt->lock);
  kio_pool *pool = rt->pool; /* stays: threads that are late may still ask it for something */
  pthread_mutex_unlock(&rt->lock);
  if (pool && kio_pool_end(pool, until_ns, names, sizeof names) > 0) add_name(late, size, names);
}

bool kio_runtime_end(kio_runtime *rt, int64_t until_ns, char *late, size_t size) {
  late[0] = '\0';
  pthread_mutex_lock(&rt->lock);
  kio_assert(!rt->ended);
  rt->ended = true;
  rt->until_ns = until_ns;
  pthread_mutex_unlock(&rt->lock);
  if (rt->pinned) pthread_setaffinity_np(pthread_self(), sizeof rt->before, &rt->before);
  drop_offers(rt);
  order_stop(rt);
  pthread_mutex_lock(&rt->lock);
  /* Workers that give up then need a moment to close what they have. */
  await_state(rt, KIO_WORKER_OVER, kio_after_ns(until_ns, KIO_LATE_GRACE_NS));
  pthread_mutex_unlock(&rt->lock);
  let_go(rt, late, size);
  end_pool(rt, until_ns, late, size);
  return late[0] != '\0';
}
