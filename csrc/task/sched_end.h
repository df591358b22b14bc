/* The end of a scheduler, and of the runtime it has to end. */
#ifndef KIO_TASK_SCHED_END_H
#define KIO_TASK_SCHED_END_H

#include "task/here.h"

/* Cancels what is in flight, waits for it within shutdown_ns, closes the ring. Tasks that have not
   ended never run again. May be called twice, also while a task runs (lua_close within a task). */
void kio_sched_fini(kio_sched *sched);
/* The loop is over: what others post is refused from now on. */
void kio_sched_close_inbox(kio_sched *sched);
/* Ends the runtime it has to end, within what unwinding may still take; `trouble` names the threads
   and jobs that run on, and the workers that have failed. */
void kio_sched_end_runtime(kio_sched *sched);
/* Tells of the workers that have failed since the last call: on stderr when the run goes on without
   them. True: they are the run's trouble. */
bool kio_sched_take_failures(kio_sched *sched);
/* Tells that something is wrong with the run; the first one counts. */
void kio_sched_trouble(kio_sched *sched, const char *what);

#endif
