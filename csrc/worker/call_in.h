/* The target's end of a call: where it runs. */
#ifndef KIO_WORKER_CALL_IN_H
#define KIO_WORKER_CALL_IN_H

#include "task/member.h"
#include "task/task.h"
#include "thread/call.h"

/* What the target keeps of a call; the origin makes it, and begins with it what it keeps itself. */
typedef struct kio_call_in {
  kio_call call;
  kio_member runs; /* of the target's scheduler, while the task lives */
  kio_task *task;  /* the one that runs the function */
  kio_on_end end;  /* of that task */
} kio_call_in;

/* Sets the posts that the target will receive. */
void kio_call_in_init(kio_call_in *in);

#endif
