/* The end of a child as something to poll, where the kernel has no pidfds: a thread waits. */
#ifndef KIO_THREAD_CHILD_WAIT_H
#define KIO_THREAD_CHILD_WAIT_H

#include <sys/types.h>

/* A descriptor that is readable once the child has ended, whoever reaps it; the caller's to close,
   at any time. -errno: there is no descriptor, memory or thread left. Any thread may call. */
int kio_child_wait_open(pid_t pid);

#endif
