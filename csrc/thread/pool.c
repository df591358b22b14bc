/* Owns the threads, the two queues and the lock around them. Invariants, under the lock: a job is
   in the queue of its lane exactly while it is `queued`; no more jobs of a lane run than it has
   threads for. Those who may submit and each thread count in `refs`, and the last one frees the
   pool. Nobody holds the lock while a job runs or its end is posted. */
#include "thread/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/config.h"
#include "base/log.h"
#include "base/memory.h"
#include "thread/thread.h"

typedef struct lane {
  kio_list queue;   /* jobs that wait, by link */
  kio_list rooms;   /* jobs of kio_pool_reserve_later, by link */
  kio_list running; /* jobs under way, by link */
  unsigned queued;  /* how many wait in `queue` */
  unsigned kept;    /* places reserved there */
  unsigned busy;    /* how many are under way */
} lane;

typedef struct worker {
  kio_link link; /* in the pool's `workers` */
  kio_pool *pool;
  pthread_t thread;
  kio_job *job; /* what it runs; NULL: nothing */
  bool over;    /* will not touch the pool again, but for its reference */
} worker;

struct kio_pool {
  kio_pool_config config;
  pthread_mutex_t lock;
  pthread_cond_t work; /* something to do, or the end */
  pthread_cond_t rest; /* at the end: a thread has nothing more to do */
  lane lanes[KIO_LANE_COUNT];
  kio_list workers; /* threads not yet joined */
  unsigned threads; /* how many */
  unsigned idle;    /* of these, waiting for `work` */
  unsigned called;  /* of these, signalled and not yet awake */
  bool ended;
  pid_t pid;        /* the process of the threads */
  atomic_uint refs; /* those who may submit or withdraw, and each thread; not under the lock */
};

/* ---- life ---- */

kio_pool *kio_pool_new(const kio_pool_config *config) {
  kio_pool *pool = kio_memory_new(sizeof *pool);
  if (!pool) return NULL;
  pool->config = *config;
  pool->pid = getpid();
  atomic_init(&pool->refs, 1);
  pthread_mutex_init(&pool->lock, NULL);
  kio_cond_init(&pool->work);
  kio_cond_init(&pool->rest);
  kio_list_init(&pool->workers);
  for (int i = 0; i < KIO_LANE_COUNT; i++) {
    kio_list_init(&pool->lanes[i].queue);
    kio_list_init(&pool->lanes[i].rooms);
    kio_list_init(&pool->lanes[i].running);
  }
  return pool;
}

kio_pool *kio_pool_ref(kio_pool *pool) {
  unsigned before = atomic_fetch_add(&pool->refs, 1);
  kio_assert(before > 0);
  return pool;
}

void kio_pool_unref(kio_pool *pool) {
  if (!pool || atomic_fetch_sub(&pool->refs, 1) > 1) return;
  pthread_cond_destroy(&pool->work);
  pthread_cond_destroy(&pool->rest);
  pthread_mutex_destroy(&pool->lock);
  kio_memory_free(pool);
}

/* It has ended, or never will begin: the pool's reference goes with the post. */
static void tell(kio_job *job) {
  if (!kio_inbox_post(job->inbox, &job->post)) kio_job_unref(job);
}

static void job_ref(kio_job *job) {
  unsigned before = atomic_fetch_add(&job->refs, 1);
  kio_assert(before > 0);
}

/* ---- places ---- */

/* The job belongs to this pool from now on, which lives at least as long. */
static void adopt(kio_pool *pool, kio_job *job) {
  if (!job->pool) job->pool = kio_pool_ref(pool);
}

static int keep_place(kio_pool *pool, kio_job *job) {
  lane *l = &pool->lanes[job->lane];
  unsigned idle = pool->config.threads[job->lane] - l->busy; /* what they take needs no place */
  adopt(pool, job);
  if (pool->ended) return -ECANCELED;
  if (job->reserved) return 0;
  if (l->queued + l->kept >= idle + pool->config.queue[job->lane]) return -EAGAIN;
  l->kept++;
  job->reserved = true;
  return 0;
}

static void give_up_place(kio_pool *pool, kio_job *job) {
  kio_assert(job->reserved && pool->lanes[job->lane].kept > 0);
  pool->lanes[job->lane].kept--;
  job->reserved = false;
}

/* A place may have become free: it is kept for the first who waits for one. */
static void grant_places(kio_pool *pool, int i) {
  lane *l = &pool->lanes[i];
  kio_link *link;
  while ((link = kio_list_first(&l->rooms))) {
    kio_job *job = KIO_CONTAINER(link, kio_job, link);
    if (keep_place(pool, job) != 0) return;
    kio_link_remove(link);
    job->queued = job->asking = false;
    if (kio_inbox_post(job->inbox, &job->post)) continue;
    give_up_place(pool, job); /* nobody is there any more; the last reference would want the lock */
    kio_job_unref(job);
  }
}

int kio_pool_reserve(kio_pool *pool, kio_job *job) {
  pthread_mutex_lock(&pool->lock);
  bool first = kio_list_empty(&pool->lanes[job->lane].rooms); /* others have asked before */
  int err = first || pool->ended ? keep_place(pool, job) : -EAGAIN;
  pthread_mutex_unlock(&pool->lock);
  return err;
}

int kio_pool_reserve_later(kio_pool *pool, kio_job *job) {
  pthread_mutex_lock(&pool->lock);
  int err = pool->ended ? -ECANCELED : 0;
  adopt(pool, job);
  if (err == 0) {
    job_ref(job);
    job->queued = job->asking = true;
    kio_list_push(&pool->lanes[job->lane].rooms, &job->link);
    grant_places(pool, job->lane);
  }
  pthread_mutex_unlock(&pool->lock);
  return err;
}

/* ---- a thread ---- */

static bool may_run(const kio_pool *pool, int i) {
  return pool->lanes[i].queued > 0 && pool->lanes[i].busy < pool->config.threads[i];
}

/* The next job some thread may run, now under way; NULL: none. */
static kio_job *next_job(kio_pool *pool) {
  for (int i = KIO_LANE_COUNT; i-- > 0;) { /* internal ones first: they are short */
    lane *l = &pool->lanes[i];
    if (!may_run(pool, i)) continue;
    kio_job *job = KIO_CONTAINER(kio_list_pop(&l->queue), kio_job, link);
    kio_assert(job->queued && job->lane == i && l->queued > 0);
    job->queued = false;
    kio_list_push(&l->running, &job->link);
    l->queued--;
    l->busy++;
    kio_assert(l->busy <= pool->config.threads[i]);
    return job;
  }
  return NULL;
}

static bool forked(const kio_pool *pool) {
  return pool->pid != getpid();
}

/* A job has forked, and the child has come to the job's end. This is its only thread: nobody waits
   for the job there, and there is nothing to return to. */
static _Noreturn void end_child(const kio_job *job) {
  kio_log_always("%s: a blocking job has returned in a child it has forked", job->name);
  _exit(EXIT_FAILURE);
}

/* Called, and left, with the lock held. */
static void run(worker *w, kio_job *job, kio_local *local) {
  kio_pool *pool = w->pool;
  w->job = job;
  pthread_mutex_unlock(&pool->lock);
  job->work(job, local);
  if (forked(pool)) end_child(job);
  pthread_mutex_lock(&pool->lock);
  kio_link_remove(&job->link);
  if (!kio_link_linked(&w->link)) kio_log("the blocking job %s has ended late", job->name);
  kio_assert(pool->lanes[job->lane].busy > 0 && !job->queued);
  pool->lanes[job->lane].busy--;
  grant_places(pool, job->lane);
  w->job = NULL;
  pthread_mutex_unlock(&pool->lock);
  tell(job);
  pthread_mutex_lock(&pool->lock);
}

static void run_all(worker *w, kio_local *local) {
  kio_pool *pool = w->pool;
  while (!pool->ended) {
    kio_job *job = next_job(pool);
    if (job) {
      run(w, job, local);
      continue;
    }
    pool->idle++;
    pthread_cond_wait(&pool->work, &pool->lock);
    pool->idle--;
    if (pool->called > 0) pool->called--;
  }
}

static void *thread_main(void *arg) {
  worker *w = arg;
  kio_pool *pool = w->pool;
  kio_local local = {NULL, NULL};
  pthread_mutex_lock(&pool->lock);
  run_all(w, &local);
  pthread_mutex_unlock(&pool->lock);
  if (local.fini) local.fini(local.data);
  pthread_mutex_lock(&pool->lock);
  w->over = true;
  bool alone = !kio_link_linked(&w->link); /* the pool has given this thread up */
  pthread_cond_broadcast(&pool->rest);
  pthread_mutex_unlock(&pool->lock);
  kio_pool_unref(pool);
  if (alone) kio_memory_free(w);
  return NULL;
}

/* 0 or a negative errno. */
static int add_thread(kio_pool *pool) {
  char name[16];
  worker *w = kio_memory_new(sizeof *w);
  if (!w) return -ENOMEM;
  w->pool = pool;
  snprintf(name, sizeof name, "kio-pool-%u", pool->threads + 1);
  kio_thread_config config = {name, pool->config.stack_size, pool->config.cpus};
  int err = kio_thread_start(&w->thread, &config, thread_main, w);
  if (err) {
    kio_memory_free(w);
    return err;
  }
  kio_list_push(&pool->workers, &w->link);
  pool->threads++;
  kio_pool_ref(pool);
  return 0;
}

/* ---- jobs ---- */

void kio_job_init(kio_job *job, kio_inbox *inbox) {
  atomic_init(&job->refs, 1);
  job->inbox = kio_inbox_ref(inbox);
}

static void disown(kio_job *job) {
  kio_pool *pool = job->pool;
  if (job->reserved && !forked(pool)) {
    pthread_mutex_lock(&pool->lock);
    give_up_place(pool, job);
    grant_places(pool, job->lane);
    pthread_mutex_unlock(&pool->lock);
  }
  kio_pool_unref(pool);
}

void kio_job_unref(kio_job *job) {
  unsigned before = atomic_fetch_sub(&job->refs, 1);
  kio_assert(before > 0);
  if (before > 1) return;
  if (job->pool) disown(job);
  kio_inbox_unref(job->inbox);
  job->free(job);
}

bool kio_job_is_over(kio_job *job) {
  return atomic_load(&job->refs) == 1;
}

/* Somebody must look at what has been queued: an idle thread, else a new one. 0, or why there is
   nobody at all. */
static int call(kio_pool *pool, int i) {
  unsigned most = 0;
  if (!may_run(pool, i)) return 0; /* the end of another job lets it run */
  for (int k = 0; k < KIO_LANE_COUNT; k++) most += pool->config.threads[k];
  if (pool->idle > pool->called) {
    pool->called++;
    pthread_cond_signal(&pool->work);
    return 0;
  }
  int err = pool->threads < most ? add_thread(pool) : 0;
  return pool->threads > 0 ? 0 : err;
}

static void enqueue(kio_pool *pool, kio_job *job) {
  give_up_place(pool, job);
  job->queued = true;
  kio_list_push(&pool->lanes[job->lane].queue, &job->link);
  pool->lanes[job->lane].queued++;
}

static void dequeue(kio_pool *pool, kio_job *job) {
  kio_assert(job->queued && pool->lanes[job->lane].queued > 0);
  kio_link_remove(&job->link);
  pool->lanes[job->lane].queued--;
  grant_places(pool, job->lane);
}

int kio_pool_submit(kio_pool *pool, kio_job *job) {
  kio_assert(job->inbox && job->work && job->free && job->lane < KIO_LANE_COUNT);
  pthread_mutex_lock(&pool->lock);
  int err = keep_place(pool, job);
  if (err == 0) {
    enqueue(pool, job);
    err = call(pool, job->lane);
    if (err) dequeue(pool, job);
  }
  if (err == 0) job_ref(job); /* nobody has run it yet: they need the lock */
  pthread_mutex_unlock(&pool->lock);
  return err;
}

bool kio_job_withdraw(kio_job *job) {
  kio_pool *pool = job->pool;
  if (!pool || forked(pool)) return false;
  pthread_mutex_lock(&pool->lock);
  bool found = job->queued && kio_link_linked(&job->link);
  if (found && job->asking) kio_link_remove(&job->link);
  else if (found) dequeue(pool, job);
  pthread_mutex_unlock(&pool->lock);
  if (found) kio_job_unref(job);
  return found;
}

void kio_pool_stats_read(kio_pool *pool, kio_pool_stats *stats) {
  pthread_mutex_lock(&pool->lock);
  stats->threads = pool->threads;
  for (int i = 0; i < KIO_LANE_COUNT; i++) {
    stats->running[i] = pool->lanes[i].busy;
    stats->queued[i] = pool->lanes[i].queued;
  }
  pthread_mutex_unlock(&pool->lock);
}

/* ---- the end ---- */

/* What has not begun never will; `queued` tells its submitter so. */
static void refuse_queued(kio_pool *pool) {
  for (int i = 0; i < KIO_LANE_COUNT; i++) {
    kio_link *link;
    while ((link = kio_list_first(&pool->lanes[i].queue))) {
      kio_job *job = KIO_CONTAINER(link, kio_job, link);
      dequeue(pool, job);
      pthread_mutex_unlock(&pool->lock);
      tell(job);
      pthread_mutex_lock(&pool->lock);
    }
    while ((link = kio_list_pop(&pool->lanes[i].rooms))) tell(KIO_CONTAINER(link, kio_job, link));
  }
}

/* When a thread must be over: one that runs a job nobody misses gets little time. */
static int64_t patience(const worker *w, int64_t soon_ns, int64_t until_ns) {
  return w->job && !w->job->patient ? kio_min_ns(soon_ns, until_ns) : until_ns;
}

/* A thread that is not over and may still take time, until when; 0: none. */
static int64_t wait_for(const kio_pool *pool, int64_t soon_ns, int64_t until_ns) {
  int64_t latest = 0, now = kio_real_now_ns();
  KIO_LIST_EACH(&pool->workers, link) {
    const worker *w = KIO_CONTAINER(link, worker, link);
    int64_t due = w->over ? 0 : patience(w, soon_ns, until_ns);
    if (due > now && due > latest) latest = due;
  }
  return latest;
}

/* Joins those that are over; the others keep the pool. */
static void let_go(kio_pool *pool) {
  kio_link *link;
  while ((link = kio_list_pop(&pool->workers))) {
    worker *w = KIO_CONTAINER(link, worker, link);
    pool->threads--;
    if (!w->over) {
      kio_thread_abandon(w->thread); /* it frees `w` */
      continue;
    }
    pthread_mutex_unlock(&pool->lock);
    kio_thread_join(w->thread);
    kio_memory_free(w);
    pthread_mutex_lock(&pool->lock);
  }
}

static size_t name_late(const kio_pool *pool, char *late, size_t size) {
  size_t count = 0, used = 0;
  if (size > 0) late[0] = '\0';
  KIO_LIST_EACH(&pool->workers, link) {
    const worker *w = KIO_CONTAINER(link, worker, link);
    if (!w->job || !w->job->patient) continue;
    const char *between = count++ > 0 ? ", " : "";
    if (used < size)
      used += (size_t)snprintf(late + used, size - used, "%s%s", between, w->job->name);
  }
  return count;
}

size_t kio_pool_end(kio_pool *pool, int64_t until_ns, char *late, size_t late_size) {
  int64_t due, soon = kio_real_now_ns() + KIO_POOL_GRACE_NS;
  pthread_mutex_lock(&pool->lock);
  kio_assert(!pool->ended);
  pool->ended = true;
  pthread_cond_broadcast(&pool->work);
  refuse_queued(pool);
  while ((due = wait_for(pool, soon, until_ns)) > 0) kio_cond_wait(&pool->rest, &pool->lock, due);
  size_t count = name_late(pool, late, late_size);
  let_go(pool);
  pthread_mutex_unlock(&pool->lock);
  return count;
}
