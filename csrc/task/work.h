/* What a ring has done off its thread (kio_offload): each request becomes a job of the pool, which
   does it by plain system calls and tells its end by a post; when the inbox is closed, by its last
   reference. Called by the scheduler's thread only. */
#ifndef KIO_TASK_WORK_H
#define KIO_TASK_WORK_H

#include "ring/ring.h"

typedef struct kio_sched kio_sched;
typedef struct kio_work kio_work;

typedef struct kio_works {
  struct kio_work_slot {
    kio_work *work; /* NULL: free */
    uint32_t next;  /* and which is free beside it; `count`: none */
  } * slots;        /* what is under way, by request->due_ms */
  uint32_t count;   /* how many slots there are */
  uint32_t free;    /* the first free one */
} kio_works;

/* The offload of a scheduler. */
kio_offload kio_works_offload(kio_sched *sched);
/* With the inbox closed: tells the ring of the jobs that are over. Whether others are under way. */
bool kio_works_settle(kio_works *works, kio_ring *ring);
/* The scheduler ends: what still runs belongs to its thread alone from now on. */
void kio_works_fini(kio_works *works);

#endif
