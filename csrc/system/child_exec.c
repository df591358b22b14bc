/* Owns nothing. Runs in a process that has our memory (CLONE_VM) while the thread that started it
   stands still (CLONE_VFORK): as vfork(2), with a stack of its own. So nothing here may touch what
   other threads of ours use: no locks, no memory, and system calls as they are, past the C library
   and what the sanitizers have put in its place. All signals are blocked. */
#include "system/child_exec.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "system/newer.h"

#define BORROWED __attribute__((no_sanitize("address"), no_sanitize("thread"), noinline))

enum { SIGNALS = 64, MASK_SIZE = SIGNALS / 8 }; /* the kernel's */

/* The kernel's, in which a handler comes first; all zero: the default. */
typedef struct disposition {
  void *handler;
  unsigned long rest[4];
} disposition;

#ifdef __GLIBC__
/* The same function by its other name: ThreadSanitizer's own takes it for a fork, of which it then
   makes notes in memory that is ours, too. */
int __clone(int (*run)(void *), void *stack, int flags, void *arg, ...);
#else
#define __clone clone
#endif

BORROWED pid_t kio_child_clone(int (*run)(void *), char *stack, int flags, kio_child_launch *launch,
                               int *pidfd) {
  return __clone(run, stack, flags | CLONE_VM | CLONE_VFORK, launch, pidfd);
}

/* ---- looking for the file ---- */

void kio_child_search_begin(kio_child_search *search, const kio_child_plan *plan) {
  search->path = plan->path;
}

/* Puts folder, slash and file together; no folder is the working directory. False: too long. */
static BORROWED bool join(char name[PATH_MAX], const char *folder, size_t size, const char *file) {
  size_t used = 0;
  if (size + 2 > PATH_MAX) return false;
  for (size_t i = 0; i < size; i++) name[used++] = folder[i];
  if (size > 0) name[used++] = '/';
  while (*file && used < PATH_MAX - 1) name[used++] = *file++;
  name[used] = '\0';
  return *file == '\0';
}

BORROWED const char *kio_child_search_next(kio_child_search *search, const char *file) {
  while (search->path) {
    const char *folder = search->path, *end = folder;
    while (*end && *end != ':') end++;
    search->path = *end ? end + 1 : NULL;
    if (join(search->name, folder, (size_t)(end - folder), file)) return search->name;
  }
  return NULL;
}

/* ---- the steps ---- */

/* What kio.run ignores (SIGPIPE) must not be inherited, and no handler of ours may run here once
   signals come through. HUP stays ignored: who is started by nohup(1) wants that for its children.
 */
static BORROWED void reset_signals(void) {
  disposition standard = {0}, now = {0};
  for (int i = 1; i <= SIGNALS; i++) {
    if (i == SIGKILL || i == SIGSTOP) continue;
    if (syscall(SYS_rt_sigaction, i, NULL, &now, MASK_SIZE) != 0) continue;
    bool ignored = now.handler == (void *)SIG_IGN; /* NOLINT */
    if (now.handler == NULL || (i == SIGHUP && ignored)) continue;
    syscall(SYS_rt_sigaction, i, &standard, NULL, MASK_SIZE);
  }
}

/* What becomes `to`, and is overwritten by none of the others: beyond 2, or `to` itself. */
static BORROWED int source(int from, int to) {
  if (from < 0) from = (int)syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);
  bool clear = from < 0 || from > 2 || from == to;
  return clear ? from : (int)syscall(SYS_fcntl, from, F_DUPFD_CLOEXEC, 3);
}

/* What is closed stays so. */
static BORROWED int give(int from, int to) {
  if (from != to) return syscall(SYS_dup3, from, to, 0) < 0 ? errno : 0;
  syscall(SYS_fcntl, to, F_SETFD, 0);
  return 0;
}

/* Returns an errno. */
static BORROWED int give_all(kio_child_launch *launch) {
  int from[3], err = 0;
  for (int i = 0; i < 3; i++) {
    launch->step = (kio_child_step)(KIO_CHILD_GIVE + i);
    from[i] = source(launch->plan->fds[i], i);
    if (from[i] < 0) return errno;
  }
  for (int i = 0; i < 3 && !err; i++) {
    launch->step = (kio_child_step)(KIO_CHILD_GIVE + i);
    err = give(from[i], i);
  }
  return err;
}

/* The others fail for good; these only where they were looked for. */
static BORROWED bool look_on(int err) {
  return err == EACCES || err == ENOENT || err == ENOTDIR || err == ESTALE || err == ENODEV ||
         err == ETIMEDOUT;
}

/* As execvp(3), but what is no program is given to no shell. Returns an errno. */
static BORROWED int exec(const kio_child_plan *plan) {
  kio_child_search search;
  const char *name;
  int err = ENOENT, denied = 0;
  if (!plan->path) {
    syscall(SYS_execve, plan->file, plan->argv, plan->envp);
    return errno;
  }
  search.path = plan->path;
  while ((name = kio_child_search_next(&search, plan->file)) != NULL) {
    syscall(SYS_execve, name, plan->argv, plan->envp);
    err = errno;
    if (!look_on(err)) return err;
    if (err == EACCES) denied = EACCES;
  }
  return denied ? denied : err;
}

/* An entry of a folder as the kernel gives it: getdents(2). */
typedef struct entry {
  uint64_t inode;
  int64_t next;
  unsigned short size; /* of this entry, in bytes */
  unsigned char type;
  char name[];
} entry;

/* The number that the name is; below 3 also for what is none. */
static BORROWED int number_of(const char *name) {
  int number = 0;
  for (; *name >= '0' && *name <= '9'; name++) number = number * 10 + (*name - '0');
  return *name ? -1 : number;
}

/* As close_range(2), which came with Linux 5.9. Returns an errno. */
static BORROWED int close_listed(void) {
  _Alignas(entry) char list[1024];
  long size;
  int folder =
      (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return errno;
  while ((size = syscall(SYS_getdents64, folder, list, sizeof list)) > 0) {
    for (long at = 0; at < size; at += ((entry *)(list + at))->size) {
      int number = number_of(((entry *)(list + at))->name);
      if (number >= 3 && number != folder) syscall(SYS_close, number);
    }
  }
  return size < 0 ? errno : 0;
}

/* All but the first three. Returns an errno. */
static BORROWED int close_others(void) {
  if (syscall(SYS_close_range, 3, ~0U, 0) == 0) return 0;
  return errno == ENOSYS || errno == EPERM ? close_listed() : errno;
}

/* Returns an errno. */
static BORROWED int prepare(kio_child_launch *launch) {
  const kio_child_plan *plan = launch->plan;
  uint64_t none = 0;
  reset_signals();
  launch->step = KIO_CHILD_SESSION;
  if (plan->detached && syscall(SYS_setsid) < 0) return errno;
  int err = give_all(launch);
  if (err) return err;
  launch->step = KIO_CHILD_FOLDER;
  if (plan->cwd >= 0 && syscall(SYS_fchdir, plan->cwd) != 0) return errno;
  launch->step = KIO_CHILD_CLOSE;
  err = close_others();
  if (err) return err;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, MASK_SIZE);
  launch->step = KIO_CHILD_EXEC;
  return 0;
}

BORROWED int kio_child_main(void *arg) {
  kio_child_launch *launch = arg;
  int err = prepare(launch);
  launch->err = err ? err : exec(launch->plan);
  syscall(SYS_exit_group, 127);
  return 127;
}

BORROWED int kio_child_between(void *arg) {
  kio_child_launch *launch = arg;
  int flags = CLONE_PIDFD | SIGCHLD;
  launch->pid = kio_child_clone(kio_child_main, launch->stack, flags, launch, &launch->pidfd);
  if (launch->pid < 0) launch->err = errno;
  syscall(SYS_exit_group, 0);
  return 0;
}
