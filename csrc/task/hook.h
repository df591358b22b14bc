/* What looks at a running task from inside, by Lua's count hook.
   The watchdog tells who holds the loop too long, while it does. Off unless a limit is set; then
   each resume of a task puts a count hook on its coroutine (and on those it resumes in turn), which
   looks at the clock now and then. A coroutine that has a debug hook of the user's keeps that one:
   its task is only reported once it has yielded. docs/rationale.md says why it is done this way. */
#ifndef KIO_TASK_HOOK_H
#define KIO_TASK_HOOK_H

#include <lua.h>

#include "base/base.h"

typedef struct kio_task kio_task;
typedef struct kio_sched kio_sched;

typedef struct kio_watchdog_config {
  int64_t limit_ns; /* how long a task may hold the loop; 0: nobody watches */
  /* Called for a task that has held it longer: while it runs (sched->current is set, L is the
     coroutine that runs, and raising ends the task's call), or else right after it has yielded. */
  void (*report)(lua_State *L, kio_task *task, int64_t held_ns);
} kio_watchdog_config;

/* Of the task that runs. */
typedef struct kio_watchdog {
  int64_t since_ns;  /* when it was resumed, on the real clock */
  int64_t report_ns; /* it is reported when it has held the loop so long; doubles each time */
} kio_watchdog;

/* The watchdog is on, and the scheduler's current task is about to be resumed. */
void kio_hook_begin(kio_sched *sched);
/* The watchdog is on, and the task has just yielded. */
void kio_hook_end(kio_sched *sched, kio_task *task);
/* The watchdog is on, and the task is about to resume this coroutine. */
void kio_hook_cover(lua_State *co);
/* The coroutine has yielded or ended: the hook is taken off, if it is kio's. */
void kio_hook_uncover(lua_State *co);
/* From a signal handler: the hook runs at the next instruction of co. */
void kio_hook_strike(lua_State *co);
/* The loop, or the hook, has seen an interrupt: the root scope is cancelled. */
void kio_hook_act_on_interrupt(kio_sched *sched);

#endif
