/* Owns nothing: a started child is its caller's to reap. By posix_spawn(3): the C library runs the
   child in our memory until its exec (CLONE_VM and CLONE_VFORK), so that a large process starts one
   as fast as a small one, and an exec that fails is told by its errno. */
#include "system/child.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/number.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

/* What kio.run ignores (SIGPIPE) and what kio.signal blocks must not be inherited. HUP is: who is
   started by nohup(1) wants that for its children. */
static int set_signals(posix_spawnattr_t *attr) {
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  sigdelset(&all, SIGHUP);
  int err = posix_spawnattr_setsigmask(attr, &none);
  if (!err) err = posix_spawnattr_setsigdefault(attr, &all);
  if (!err) err = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  return err;
}

static int set_descriptors(posix_spawn_file_actions_t *actions, const kio_child_plan *plan) {
  int err = 0;
  for (int i = 0; i < 3 && !err; i++) {
    int from = i == 2 && plan->merge ? 1 : plan->fds[i];
    if (from >= 0) err = posix_spawn_file_actions_adddup2(actions, from, i);
  }
  if (!err && plan->cwd >= 0) err = posix_spawn_file_actions_addfchdir_np(actions, plan->cwd);
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
  if (!err) err = posix_spawn_file_actions_addclosefrom_np(actions, 3);
#endif
  return err;
}

static int spawn(const kio_child_plan *plan, pid_t *pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attr;
  int err = posix_spawn_file_actions_init(&actions);
  if (err) return err;
  err = posix_spawnattr_init(&attr);
  if (!err) {
    err = set_signals(&attr);
    if (!err) err = set_descriptors(&actions, plan);
    if (!err) err = posix_spawnp(pid, plan->file, &actions, &attr, plan->argv, plan->envp);
    posix_spawnattr_destroy(&attr);
  }
  posix_spawn_file_actions_destroy(&actions);
  return err;
}

int kio_child_start(const kio_child_plan *plan, pid_t *pid, int *pidfd) {
  int err = spawn(plan, pid);
  if (err) return -err;
  *pidfd = kio_number_own((int)syscall(SYS_pidfd_open, *pid, 0)); /* nobody else reaps our child */
  if (*pidfd >= 0 || errno == ESRCH) return 0; /* but the system, where SIGCHLD is ignored */
  err = errno;
  /* One that has become another user's already cannot be ended, nor is it waited for. */
  if (kill(*pid, SIGKILL) == 0) waitpid(*pid, NULL, 0); /* ours: it is there to be reaped */
  return -err;
}

static int reap(int pidfd, kio_child_end *end, int flags) {
  siginfo_t info = {.si_pid = 0};
  int result;
  do result = waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED | flags);
  while (result != 0 && errno == EINTR);
  if (result != 0) return -errno;
  if (info.si_pid == 0) return 0;
  bool exited = info.si_code == CLD_EXITED;
  *end = (kio_child_end){exited ? info.si_status : -1, exited ? 0 : info.si_status};
  return 1;
}

int kio_child_reap(int pidfd, kio_child_end *end) {
  return reap(pidfd, end, WNOHANG);
}

int kio_child_reap_now(int pidfd, kio_child_end *end) {
  return reap(pidfd, end, 0);
}

int kio_child_signal(int pidfd, int number) {
  return syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0) == 0 ? 0 : -errno;
}
