/* What the end of a task means: failures go up the tree of scopes, cancellation goes down, whoever
   waits is told. */
#ifndef KIO_TASK_SCHED_TREE_H
#define KIO_TASK_SCHED_TREE_H

#include "task/here.h"

/* Begins to unwind: cancels the root scope; a worker serves no more. */
void kio_sched_stop(kio_sched *sched);
/* A task has ended: wakes those that await it, and tells its scope. */
void kio_sched_ended(kio_sched *sched, kio_task *task);
/* Leaves by force the scopes that the task has opened in a coroutine (NULL: all), because that will
   not do it itself: their tasks are cancelled, and belong to the next scope outside from now on. */
void kio_sched_leave_scopes(kio_task *task, const lua_State *co);
/* Lets a failed task go that its scope has taken out of its list of failures. */
void kio_sched_forget(kio_sched *sched, kio_task *task);
/* A task that has just been made ends with the rest of its scope. */
void kio_sched_make_daemon(kio_task *task);
/* The body of a scope is over: daemons that are alone in it are cancelled, but for those with
   `on_end`: that cancels them. */
void kio_sched_end_daemons(kio_scope *scope);

#endif
