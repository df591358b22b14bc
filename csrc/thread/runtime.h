/* The runtime: a run's workers, what is offered to any of them, and the pool. A worker is one
   thread with a scheduler of its own; the runtime knows of it the inbox, the thread and how far it
   has come, and nothing of Lua. Worker 1 may be the thread that made the runtime. Every function
   may be called from any thread that is a worker or made the runtime, unless it says otherwise. */
#ifndef KIO_THREAD_RUNTIME_H
#define KIO_THREAD_RUNTIME_H

#include <pthread.h>

#include "thread/inbox.h"
#include "thread/pool.h"

typedef struct kio_runtime kio_runtime;
typedef struct kio_worker kio_worker;

typedef struct kio_runtime_config {
  unsigned threads;     /* workers, at least 1 */
  bool caller_is_first; /* worker 1 is the calling thread */
  const int *cpus;      /* worker i runs on cpus[(i - 1) % cpu_count]; NULL: anywhere. For the start
                           only */
  size_t cpu_count;
  kio_pool_config pool;
  /* Worker 1 learns by it, in posts, that a worker has failed, that somebody asks the run to stop,
     that all workers wait for each other; each NULL: it does not. */
  void (*on_failure)(kio_post *post, void *sched);
  void (*on_stop)(kio_post *post, void *sched);
  void (*on_deadlock)(kio_post *post, void *sched);
  /* The life of a worker, on its thread: calls kio_worker_started, runs, returns when it has been
     stopped or has failed. */
  void (*main)(kio_worker *worker, void *context);
  void *context; /* must live until kio_runtime_start has returned; main is over with it by then */
} kio_runtime_config;

typedef enum kio_worker_state {
  KIO_WORKER_STARTING,
  KIO_WORKER_RUNNING,
  KIO_WORKER_OVER /* its thread touches nothing of the runtime any more */
} kio_worker_state;

enum { KIO_FAILURE_MAX = 1024 }; /* bytes of the text that tells why a worker failed */

struct kio_worker {
  kio_runtime *runtime;          /* it belongs to */
  unsigned id;                   /* from 1 */
  kio_inbox *inbox;              /* as long as the runtime lives; NULL: alone, and not needed yet */
  kio_post stop;                 /* its order to stop; `arrive` is set by its main */
  pthread_t thread;              /* when it is threaded */
  bool threaded;                 /* that is there, to be stopped and joined */
  bool retired;                  /* it takes no offers; under the lock */
  uint8_t state;                 /* kio_worker_state; under the lock */
  char failure[KIO_FAILURE_MAX]; /* why it could not start or broke down; under the lock */
  int failure_err;               /* the negative errno behind that */
};

/* Makes the workers without starting any; one reference. NULL with *err set, a negative errno, and
   `failure` telling what could not be had. */
kio_runtime *kio_runtime_new(const kio_runtime_config *config, int *err,
                             char failure[KIO_FAILURE_MAX]);
/* Starts the threads and waits until each has started or failed. 0, or the negative errno of the
   step that failed after `failure` has been written: the others are for kio_runtime_end. */
int kio_runtime_start(kio_runtime *runtime, char failure[KIO_FAILURE_MAX]);
/* Orders the other workers to stop, refuses offers, and waits until `until_ns` (CLOCK_MONOTONIC)
   for them, a little longer for those that give up then, and for the pool. Writes what was late
   into `late`, by name: true then, and that is left alone. To be called once, by the maker, whose
   own inbox must be closed if it is a worker. */
bool kio_runtime_end(kio_runtime *runtime, int64_t until_ns, char *late, size_t late_size);
/* Gives the maker's reference back; after kio_runtime_end. */
void kio_runtime_unref(kio_runtime *runtime);

/* How many workers it has, running or not. */
unsigned kio_runtime_count(const kio_runtime *runtime);
/* Worker `id` from 1. */
kio_worker *kio_runtime_worker(kio_runtime *runtime, unsigned id);
/* The pool, made when first asked for, alive as long as the runtime; NULL: memory is out, or the
   runtime has ended. */
kio_pool *kio_runtime_pool(kio_runtime *runtime);
/* What the pool does; all 0 when there is none. */
void kio_runtime_pool_stats(kio_runtime *runtime, kio_pool_stats *stats);
/* When a worker that has been ordered to stop must have unwound (CLOCK_MONOTONIC). */
int64_t kio_runtime_until_ns(kio_runtime *runtime);
/* A failure of a worker that has not been taken, as "worker 2: why"; false: none, and the next one
   is told by a post again. */
bool kio_runtime_failed(kio_runtime *runtime, char failure[KIO_FAILURE_MAX]);

/* A worker's main: it runs from now on. */
void kio_worker_started(kio_worker *worker);
/* A worker's main, before it returns: it could not start, or broke down. `err`: the negative errno
   behind it; -ECANCELED for what is no system's failure. */
void kio_worker_failed(kio_worker *worker, const char *why, int err);

/* The calling worker, whose inbox is asleep, has nothing left that could wake it but what others
   post. When all have come to that, and nothing is offered or blocking, that is a deadlock, which
   is reported once. */
void kio_worker_idle(kio_worker *worker);
/* An idle worker has woken. To be called before it looks into its inbox. */
void kio_worker_busy(kio_worker *worker);

/* Asks the whole run to stop; more than once is allowed. False: there is nobody to ask. */
bool kio_runtime_ask_stop(kio_runtime *runtime);

/* Whether the calling worker is all there is: no other worker, nothing offered, no job. */
bool kio_runtime_alone(kio_runtime *runtime);

/* Offers a post to whichever worker is idle first. False: the runtime stops, or has no worker left;
   it stays the caller's. */
bool kio_runtime_offer(kio_runtime *runtime, kio_post *offer);
/* Wakes a worker that sleeps, if offers are left. Whether there was one. */
bool kio_runtime_pass_on(kio_runtime *runtime);
/* This worker takes no more offers, and is not woken for them: what is left is passed on. */
void kio_worker_retire(kio_worker *worker);
/* The oldest offer; NULL: none. */
kio_post *kio_runtime_take_offer(kio_runtime *runtime);
/* Whether there is one. Looked at once a turn, and between falling asleep and waiting. */
bool kio_runtime_has_offers(const kio_runtime *runtime);

#endif
