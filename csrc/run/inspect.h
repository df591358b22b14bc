
#include "task/task.h"
/* What goes on, told to people. */
#ifndef KIO_RUN_INSPECT_H
#define KIO_RUN_INSPECT_H

/* kio_sched_config.on_trouble: keeps a report of the tasks as they are now. Raises nothing. */
void kio_inspect_trouble(kio_sched *sched);
/* Pushes the scheduler's `trouble` with that report, which is forgotten. May raise (memory). */
void kio_inspect_push_trouble(lua_State *L, kio_sched *sched);
/* kio_watchdog_config.report: tells the watchdog function at the registry's
   &sched->config.watchdog, or stderr. While the task runs, what that function raises is raised in
   the task. */
void kio_inspect_hog(lua_State *L, kio_task *task, int64_t held_ns);

#endif
