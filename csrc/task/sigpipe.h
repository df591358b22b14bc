/* SIGPIPE: what a run does so that a write to a pipe nobody reads is an error and not the end of
   the process. Nothing of it outlasts the run. On the first thread no program that is started
   inherits it. */
#ifndef KIO_TASK_SIGPIPE_H
#define KIO_TASK_SIGPIPE_H

#include "base/base.h"

typedef enum kio_sigpipe {
  KIO_SIGPIPE_LEFT,    /* the program has a way of its own, or the thread does not get it anyway */
  KIO_SIGPIPE_HANDLED, /* by a handler that does nothing */
  KIO_SIGPIPE_BLOCKED  /* in this thread */
} kio_sigpipe;

/* A run begins on this thread. What was done: for kio_sigpipe_restore, on the same thread. */
kio_sigpipe kio_sigpipe_hold(void);
/* The run ends: what was there before is back, but for what somebody else has set since. */
void kio_sigpipe_restore(kio_sigpipe how);

#endif
