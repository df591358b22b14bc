/* Owns the change between WAITING and READY. Invariant: a WAITING task is woken exactly once for
   each park. Called by the scheduler's thread only. */
#include "task/wait.h"

#include "task/here.h"
#include "task/task.h"

void kio_task_hold(kio_task *task, kio_abandon_fn abandon) {
  kio_assert(task->status == KIO_TASK_READY && !task->started);
  kio_sched_unready(task->sched, task);
  task->status = KIO_TASK_WAITING;
  task->abandon = abandon;
  task->since_ns = task->sched->now_ns;
  if (kio_task_is_cancelled(task)) kio_task_interrupt(task, KIO_WAKE_CANCEL);
}

void kio_task_wake(kio_task *task) {
  kio_assert(task->status == KIO_TASK_WAITING && !kio_link_linked(&task->wait_link));
  kio_timer_stop(&task->sched->timers, &task->timer);
  task->status = KIO_TASK_READY;
  task->abandon = NULL;
  kio_sched_ready(task->sched, task);
}

void kio_task_interrupt(kio_task *task, kio_wake why) {
  kio_assert(why != KIO_WAKE_DONE);
  kio_abandon_fn abandon = task->abandon;
  if (task->status != KIO_TASK_WAITING || !abandon) return;
  kio_timer_stop(&task->sched->timers, &task->timer);
  task->abandon = NULL; /* once: the wait is ending */
  task->wake = (uint8_t)why;
  abandon(task);
}
