/* A remote as both of its ends see it: what the origin keeps, and what the target keeps. */
#ifndef KIO_WORKER_CALL_IN_H
#define KIO_WORKER_CALL_IN_H

#include "task/member.h"
#include "task/task.h"
#include "thread/call.h"

typedef struct kio_errand {
  kio_remote remote;
  /* the origin's: */
  kio_member waits; /* of its scheduler, while a task waits */
  kio_task *waiter; /* that task; NULL: nobody, or no longer */
  bool arrived;     /* the answer has come */
  bool asked;       /* `cancel` has been posted */
  /* the target's: */
  kio_member runs; /* of its scheduler, while the task lives */
  kio_task *task;  /* the one that runs the function */
  kio_on_end end;  /* of that task */
} kio_errand;

/* Sets the posts that the target will receive. */
void kio_errand_prepare(kio_errand *errand);

#endif
