/* How a wait ends: what the task waits for has come, or somebody ends it early.

   A timed-out operation, from its deadline to its result: expire_timers (task/sched.c) finds the
   task's timer due; task_due (task/task.c) interrupts the wait with KIO_WAKE_TIMEOUT; the abandon
   function of the operation (op/op.c) cancels the request, which only asks. Its completion wakes
   the task, run_ready (task/sched.c) resumes it, and only then kio_op_error (op/op.c) says what it
   was: a result that came all the same, or "ETIMEDOUT". */
#ifndef KIO_TASK_WAIT_H
#define KIO_TASK_WAIT_H

#include "task/task.h"

/* A task that has just been made begins when it is woken: until then it waits. */
void kio_task_hold(kio_task *task, kio_abandon_fn abandon);
/* Makes a WAITING task ready and stops its timer. */
void kio_task_wake(kio_task *task);
/* Ends the present wait early, for a reason. Nothing when it does not wait. */
void kio_task_interrupt(kio_task *task, kio_wake why);
/* Says what the task, about to park, waits for; `what` is a constant. Each park needs it. */
static inline void kio_task_says(kio_task *task, const char *what, int fd) {
  kio_debug_assert(what);
  task->doing = what;
  task->doing_fd = fd;
}

#endif
