/* A thread of kio's in a process that is not kio's: it has a name, takes none of the process's
   signals (those that tell of a fault in its own code come through), and is joined, or left alone
   without harm when it does not end. */
#ifndef KIO_THREAD_THREAD_H
#define KIO_THREAD_THREAD_H

#include <pthread.h>
#include <sched.h>

#include "base/base.h"

typedef struct kio_thread_config {
  const char *name;      /* cut after 15 bytes */
  size_t stack_size;     /* 0: the system's default */
  const cpu_set_t *cpus; /* where it may run; NULL: where its maker may */
} kio_thread_config;

/* Starts `main(arg)`. 0 or a negative errno: -EINVAL for CPUs that are not there. */
int kio_thread_start(pthread_t *thread, const kio_thread_config *config, void *(*main)(void *),
                     void *arg);
/* Waits for the end of a thread that is known to be at its end. */
void kio_thread_join(pthread_t thread);
/* Gives up a thread that does not end: it is never joined, and the library it runs in stays loaded
   for the rest of the process. */
void kio_thread_abandon(pthread_t thread);
/* Waits on `cond` until the moment on CLOCK_MONOTONIC; false: that has passed. */
bool kio_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t until_ns);
/* A condition variable that kio_cond_wait may use. */
void kio_cond_init(pthread_cond_t *cond);
#ifdef KIO_TEST
/* The n-th thread this thread starts from now fails with -EAGAIN; 0: none. */
void kio_thread_fail_at(int n);
#endif

#endif
