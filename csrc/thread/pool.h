/* The pool: a bounded number of threads that run what blocks. Jobs come in two lanes with a share
   of threads each, so that a user's jobs never keep names and files waiting, nor the other way
   round; idle threads serve both. Threads are made when they are needed and stay until the pool
   ends. A job has a reference count: its submitter and, from submit until its end is posted, the
   pool hold a reference. Its end is posted exactly once, to its inbox, unless that is closed or the
   job has been withdrawn. */
#ifndef KIO_THREAD_POOL_H
#define KIO_THREAD_POOL_H

#include <sched.h>
#include <stdatomic.h>

#include "base/base.h"
#include "base/list.h"
#include "thread/inbox.h"

typedef struct kio_pool kio_pool;
typedef struct kio_job kio_job;

typedef enum kio_lane {
  KIO_LANE_USER,     /* kio.spawn_blocking */
  KIO_LANE_LOOKUP,   /* names of hosts: a name server that is silent holds up no files */
  KIO_LANE_INTERNAL, /* names in directories */
  KIO_LANE_FILE,     /* operations on files of a ring that has no kernel threads for them */
  KIO_LANE_COUNT     /* not a lane: how many there are */
} kio_lane;

/* What a pool thread keeps from job to job (a Lua state), with what frees it on that thread. */
typedef struct kio_local {
  void *data;
  void (*fini)(void *data);
} kio_local;

struct kio_job {
  kio_post post; /* tells of its end: `arrive` and `drop` give the pool's reference back */
  kio_link link; /* in its lane's queue, or among the running ones */
  /* Does the work, on a thread of the pool. May use nothing of the submitter but the job. */
  void (*work)(kio_job *job, kio_local *local);
  /* The last reference is gone; called on whichever thread held it. */
  void (*free)(kio_job *job);
  kio_inbox *inbox; /* where its end is posted; the job holds a reference to it */
  const char *name; /* for reports; lives as long as the job */
  uint8_t lane;     /* kio_lane */
  bool queued;      /* has not begun */
  bool reserved;    /* a place in the queue is kept for it */
  bool asking;      /* it is to be posted when one is, not to be run */
  kio_pool *pool;   /* the one it has been given to; a reference */
  atomic_uint refs; /* its submitter, and the pool as long as it has work with it */
  bool patient;     /* the end of the pool waits for it within its time, and names it when late */
};

typedef struct kio_pool_config {
  unsigned threads[KIO_LANE_COUNT]; /* at most so many jobs of a lane run at once */
  unsigned queue[KIO_LANE_COUNT];   /* and so many wait for a thread */
  size_t stack_size;                /* of each thread; 0: the system's default */
  const cpu_set_t *cpus;            /* where they may run, read until its end; NULL: anywhere */
} kio_pool_config;

typedef struct kio_pool_stats {
  unsigned threads;                 /* alive */
  unsigned running[KIO_LANE_COUNT]; /* jobs under way */
  unsigned queued[KIO_LANE_COUNT];  /* jobs that wait */
} kio_pool_stats;

/* A new job has one reference. All but `work`, `free`, `name` and `lane` may be left zero. */
void kio_job_init(kio_job *job, kio_inbox *inbox);
/* Gives a reference back, from any thread. */
void kio_job_unref(kio_job *job);
/* Whether the submitter's reference is the last one, so that nobody will run or tell it. */
bool kio_job_is_over(kio_job *job);

/* A pool without threads yet, with one reference. NULL: memory is out. Thread-safe from here on. */
kio_pool *kio_pool_new(const kio_pool_config *config);
/* Takes another reference, from whoever holds one; and gives one back: NULL is allowed. */
kio_pool *kio_pool_ref(kio_pool *pool);
void kio_pool_unref(kio_pool *pool);
/* Hands a job over, with a reference of the pool's own. 0; -EAGAIN: the lane's queue is full;
   -ECANCELED: the pool has ended; or why no thread could be made (only when none is there to run it
   at all). Its end will not be posted then. */
int kio_pool_submit(kio_pool *pool, kio_job *job);
/* Keeps a place for a job that will be submitted, or given up by its last reference. 0, -EAGAIN or
   -ECANCELED as submit. */
int kio_pool_reserve(kio_pool *pool, kio_job *job);
/* kio_pool_reserve for those who can wait: the job is posted when a place is kept for it, or,
   `queued` set, when the pool ends. 0 or -ECANCELED. */
int kio_pool_reserve_later(kio_pool *pool, kio_job *job);
/* Takes back a job that has not begun: it will never run and nothing is posted. False: it runs, or
   has run, and its end is posted; or it was never handed over; or this is a forked child, where
   some thread of the parent's may hold the pool's lock for ever. */
bool kio_job_withdraw(kio_job *job);
/* What it has to do at this moment. */
void kio_pool_stats_read(kio_pool *pool, kio_pool_stats *stats);
/* The end: nothing new is taken, what is queued is posted as done without having run (`queued`
   stays set), threads that are idle end. Patient jobs get until `until_ns` (CLOCK_MONOTONIC).
   Writes the names of those that are late into `late`, and says how many there are. What runs on is
   left alone with a reference to the pool; the library stays loaded for it. To be called before the
   last reference is given back, and once. */
size_t kio_pool_end(kio_pool *pool, int64_t until_ns, char *late, size_t late_size);

#endif
