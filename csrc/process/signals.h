/* Signals as something to wait for. While somebody watches a signal it is blocked in the
   scheduler's thread, so that the kernel keeps it; a signalfd tells that one has come, and is read
   only while a task waits. What nobody has taken is still there when the mask is restored, and is
   delivered then as it would have been: a watch delays a signal, it never swallows one.
   All of this hangs on the scheduler; its thread alone calls. */
#ifndef KIO_PROCESS_SIGNALS_H
#define KIO_PROCESS_SIGNALS_H

#include "base/list.h"
#include "base/signame.h"
#include "task/task.h"

typedef struct kio_signals kio_signals; /* of one scheduler; made when first needed */

/* Somebody who is interested in some signals. All but `set` zeroed: closed. */
typedef struct kio_watch_signals {
  kio_link link;        /* among the scheduler's watches */
  kio_signals *signals; /* NULL: closed, or its run is over */
  uint64_t set;         /* the signals watched, by kio_signal_bit */
  uint64_t come;        /* those that have come and are not yet taken */
  uint64_t alone;       /* and of these, those that came to no other watch */
  kio_task *waiter;     /* the task that waits, until it has run again */
  int err;              /* why its wait has failed, an errno; told once */
} kio_watch_signals;

/* Opens a watch: from now on the signals of its set come to it. 0 or -errno. */
int kio_signals_watch(kio_sched *sched, kio_watch_signals *watch);
/* Closes it; one that is closed is allowed. Its waiter, if any, is woken. Signals that nobody else
   watches are let through again, and with them those that came to it alone and were not taken. */
void kio_signals_close(kio_watch_signals *watch);
/* The lowest signal that has come, taken; 0: none. */
int kio_signals_take(kio_watch_signals *watch);
/* Makes the task, about to park, the one woken when a signal comes; none may have come. When it
   runs again it sets `waiter` to NULL. */
void kio_signals_await(kio_watch_signals *watch, kio_task *task);
/* The kio_abandon_fn of such a task, whose `subject` is the watch. */
void kio_signals_abandon(kio_task *task);
/* Whether a signal may be watched: not those that cannot be blocked, nor faults of this thread. */
bool kio_signals_may_watch(int number);

#endif
