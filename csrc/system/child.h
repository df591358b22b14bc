/* Child processes: started with nothing of ours but what they were given, told of and signalled
   through a pidfd, which is there from their first moment and never means another process. Where
   the kernel has none (before Linux 5.4) a child goes by its number, which is its own until it has
   been reaped. No Lua here; any thread may call. */
#ifndef KIO_SYSTEM_CHILD_H
#define KIO_SYSTEM_CHILD_H

#include <sys/types.h>

#include "base/base.h"

typedef struct kio_child_plan {
  const char *file;   /* looked for along `path` unless it has a slash */
  const char *path;   /* of folders, with colons between them */
  char *const *argv;  /* NULL-ended */
  char *const *envp;  /* NULL-ended */
  const char *folder; /* to start in, its name; NULL: the same as ours */
  int cwd;            /* a descriptor of it, or -1 */
  int fds[3];         /* what becomes 0, 1 and 2; below 0: /dev/null */
  bool detached;      /* a session of its own, and whoever adopts orphans is its parent */
} kio_child_plan;

typedef struct kio_child {
  pid_t pid;   /* 0: none */
  int fd;      /* readable once it has ended: a pidfd, or with `by_pid` its owner's; -1: none */
  bool by_pid; /* there are no pidfds: it is waited for and signalled by its number */
} kio_child;

typedef struct kio_child_end {
  int code;   /* the exit status; -1: a signal has ended it */
  int signal; /* that signal, or 0 */
} kio_child_end;

/* What could not be done, for kio_child_why. */
typedef enum kio_child_step {
  KIO_CHILD_MAKE,    /* the process */
  KIO_CHILD_DETACH,  /* its handle, without pidfds */
  KIO_CHILD_SESSION, /* its session */
  KIO_CHILD_GIVE,    /* descriptor 0; 1 and 2 follow */
  KIO_CHILD_FOLDER = KIO_CHILD_GIVE + 3,
  KIO_CHILD_CLOSE, /* what is not for it */
  KIO_CHILD_EXEC,
} kio_child_step;

/* Starts it; the caller waits for its exec. Signal mask and dispositions are reset, every other
   descriptor is closed. 0 or -errno, and *step tells at what; nothing is left behind then. One that
   goes by its number has no descriptor yet; a detached one cannot. */
int kio_child_start(const kio_child_plan *plan, kio_child *child, kio_child_step *step);
/* Why that has failed, in words, into `text`; never empty. `err` is positive. */
void kio_child_why(const kio_child_plan *plan, kio_child_step step, int err, char *text,
                   size_t size);
/* Whether it has ended, and how: 1, and it is no zombie any more; 0: it runs; -errno (-ECHILD: it
   has, and the system, or somebody else, has taken the end away). */
int kio_child_reap(const kio_child *child, kio_child_end *end);
/* kio_child_reap, waiting; after a KILL that takes no time worth mentioning. */
int kio_child_reap_now(const kio_child *child, kio_child_end *end);
/* Whether it is for this process to reap. */
bool kio_child_is_ours(const kio_child *child);
/* Sends a signal. 0 or -errno. One that goes by its number must not have been reaped. */
int kio_child_signal(const kio_child *child, int number);

#endif
