/* Ctrl-C. On the process's main thread a run answers SIGINT: the root scope is cancelled, even if a
   task computes without end, and kio.run raises "interrupted!" when all is unwound. From the first
   one on the default is back: a second one ends the process, as under the interpreter alone.
   A task that waits for "INT" (process/signals.h) blocks the signal: then nothing of this
   happens. */
#ifndef KIO_TASK_INTERRUPT_H
#define KIO_TASK_INTERRUPT_H

#include <lua.h>
#include <signal.h>

#include "base/base.h"

typedef struct kio_sched kio_sched;

enum {
  KIO_INTERRUPT_NONE,
  KIO_INTERRUPT_NOTED, /* the handler has run, the loop does not know yet */
  KIO_INTERRUPT_ACTED  /* the root scope is cancelled */
};

/* Of one scheduler. */
typedef struct kio_interrupt {
  volatile sig_atomic_t state; /* KIO_INTERRUPT_ */
  bool installed;              /* the handler is ours */
  struct sigaction before;     /* and this was there before */
} kio_interrupt;

/* Installs the handler; not on other threads than the first, nor when SIGINT is ignored. */
void kio_interrupt_install(kio_sched *sched);
/* Puts the handler back that was there before; one that somebody else has set stays. */
void kio_interrupt_restore(kio_sched *sched);

#endif
