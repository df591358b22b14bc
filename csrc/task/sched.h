/* The loop of one thread. One turn: run a snapshot of the ready queue; expire timers; let members
   queue their output; one kernel entry; then tell the owners of what has completed. Tasks are never
   resumed while completions are collected, and never nested. */
#ifndef KIO_TASK_SCHED_H
#define KIO_TASK_SCHED_H

#include "task/here.h"

/* Opens the ring and becomes the thread's scheduler, in place of one that was lost by a fork. 0 or
   a negative errno. */
int kio_sched_init(kio_sched *sched, lua_State *L, const kio_sched_config *config);
/* Runs until every task has ended and all output has left, or unwinding takes too long. */
void kio_sched_run(kio_sched *sched);

#endif
