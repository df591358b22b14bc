/* A runtime's inside, for thread/runtime.c, thread/offers.c and thread/idle.c only. */
#ifndef KIO_THREAD_RUNTIME_PARTS_H
#define KIO_THREAD_RUNTIME_PARTS_H

#include <sched.h>
#include <stdatomic.h>

#include "thread/runtime.h"

struct kio_runtime {
  kio_runtime_config config;
  pthread_mutex_t lock;
  pthread_cond_t moved;   /* a worker has changed its state */
  kio_pool *pool;         /* NULL: not needed yet */
  kio_post *first;        /* offers, oldest first */
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
  unsigned next; /* the worker that is looked at first for the next offer */
  unsigned refs;
  bool ended;
  bool deserted;    /* none of the workers is left, and the caller is none */
  int64_t until_ns; /* kio_runtime_until_ns */
  bool pinned;      /* the caller's thread is, which ran on `before` */
  cpu_set_t before; /* with `cpus`: where the caller could run, and the pool's threads may */
  kio_worker workers[];
};

/* Whether the calling thread is its only worker. Such a run gets its inbox when somebody needs it:
   kio_sched_inbox. */
static inline bool kio_runtime_is_single(const kio_runtime *rt) {
  return rt->config.threads == 1 && rt->config.caller_is_first;
}

#endif
