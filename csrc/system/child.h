/* Child processes: started with nothing of ours but what they were given, told of and signalled
   through a pidfd, which never means another process. No Lua here; any thread may call. */
#ifndef KIO_SYSTEM_CHILD_H
#define KIO_SYSTEM_CHILD_H

#include <sys/types.h>

#include "base/base.h"

typedef struct kio_child_plan {
  const char *file;  /* looked for along this process's PATH unless it has a slash */
  char *const *argv; /* NULL-ended */
  char *const *envp; /* likewise */
  int cwd;           /* a descriptor of the folder to start in; -1: the same as ours */
  int fds[3];        /* what becomes 0, 1 and 2: beyond 2, or the number itself; -1: nothing */
  bool merge;        /* 2 is what 1 is */
} kio_child_plan;

typedef struct kio_child_end {
  int code;   /* the exit status; -1: a signal has ended it */
  int signal; /* that signal, or 0 */
} kio_child_end;

/* Starts it; the caller waits for its exec. Signal mask and dispositions are reset, every other
   descriptor is closed. 0 or -errno; nothing is left behind then. *pidfd is readable once it has
   ended; -1: it has, and how nobody knows (SIGCHLD is ignored). */
int kio_child_start(const kio_child_plan *plan, pid_t *pid, int *pidfd);
/* Whether it has ended, and how: 1, and it is no zombie any more; 0: it runs; -errno (-ECHILD: the
   system, or somebody else, has taken the end away). */
int kio_child_reap(int pidfd, kio_child_end *end);
/* The same, waiting; after a KILL that takes no time worth mentioning. */
int kio_child_reap_now(int pidfd, kio_child_end *end);
/* Sends a signal. 0 or -errno. */
int kio_child_signal(int pidfd, int number);

#endif
