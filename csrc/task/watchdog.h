/* The watchdog: tells who holds the loop too long, while it does. Off unless a limit is set; then
   each resume of a task puts a count hook on its coroutine (and on those it resumes in turn), which
   looks at the clock now and then. A coroutine that has a debug hook of the user's keeps that one:
   its task is only told of when it lets go. docs/rationale.md says why it is done this way. */
#ifndef KIO_TASK_WATCHDOG_H
#define KIO_TASK_WATCHDOG_H

#include <lua.h>

#include "base/base.h"

typedef struct kio_task kio_task;
typedef struct kio_sched kio_sched;

typedef struct kio_watch_config {
  int64_t limit_ns; /* how long a task may hold the loop; 0: nobody watches */
  /* Told of a task that has held it longer: while it runs (sched->current is set, L is the
     coroutine that runs, and raising ends the task's call), or else right after it let go. */
  void (*report)(lua_State *L, kio_task *task, int64_t held_ns);
} kio_watch_config;

/* Of the task that runs. */
typedef struct kio_watch {
  int64_t since_ns;  /* when it was resumed, on the real clock */
  int64_t report_ns; /* it is told of when it has held the loop so long; doubles each time */
} kio_watch;

/* The watch is on, and the scheduler's current task is about to be resumed, or has just let go. */
void kio_watchdog_begin(kio_sched *sched);
void kio_watchdog_end(kio_sched *sched, kio_task *task);
/* The same for a coroutine the task resumes. */
void kio_watchdog_cover(lua_State *co);
void kio_watchdog_uncover(lua_State *co);

/* For interrupts, which use the same hook. From a signal handler: the hook runs at co's next
   instruction. */
void kio_watchdog_strike(lua_State *co);
/* In the hook: it is to run again now and then, or at every instruction. */
void kio_watchdog_renew(lua_State *co, bool always);

#endif
