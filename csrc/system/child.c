/* Owns nothing: a started child is its caller's to reap, a detached one that of whoever adopts
   orphans. The child runs in our memory until its exec (CLONE_VM and CLONE_VFORK), so that a large
   process starts one as fast as a small one, and what fails is told where it failed. Its pidfd is
   made with it (CLONE_PIDFD): there is no moment in which its number could be another process's.
   Kernels without: Linux 5.2 has CLONE_PIDFD, 5.3 tells by poll of a pidfd, 5.4 has P_PIDFD. */
#include "system/child.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/number.h"
#include "system/child_exec.h"
#include "system/newer.h"

enum { STACK = 65536 }; /* of either process */

/* ---- its end ---- */

/* Whether it runs, whoever its parent is. */
static bool runs(const kio_child *child) {
  struct pollfd wait = {.fd = child->fd, .events = POLLIN};
  return poll(&wait, 1, 0) == 0;
}

static int wait_for(const kio_child *child, siginfo_t *info, int flags) {
  idtype_t type = child->by_pid ? P_PID : (idtype_t)P_PIDFD;
  id_t id = (id_t)(child->by_pid ? child->pid : child->fd);
  int result;
  info->si_pid = 0;
  do result = waitid(type, id, info, WEXITED | flags);
  while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : -errno;
}

static int reap(const kio_child *child, kio_child_end *end, int flags) {
  siginfo_t info;
  int err = wait_for(child, &info, flags);
  if (err) return err == -ECHILD && child->fd >= 0 && runs(child) ? 0 : err;
  if (info.si_pid == 0) return 0;
  bool exited = info.si_code == CLD_EXITED;
  *end = (kio_child_end){exited ? info.si_status : -1, exited ? 0 : info.si_status};
  return 1;
}

int kio_child_reap(const kio_child *child, kio_child_end *end) {
  return reap(child, end, WNOHANG);
}

int kio_child_reap_now(const kio_child *child, kio_child_end *end) {
  return reap(child, end, 0);
}

bool kio_child_is_ours(const kio_child *child) {
  siginfo_t info;
  return wait_for(child, &info, WNOHANG | WNOWAIT) != -ECHILD;
}

int kio_child_signal(const kio_child *child, int number) {
  int result = child->by_pid ? kill(child->pid, number)
                             : (int)syscall(SYS_pidfd_send_signal, child->fd, number, NULL, 0);
  return result == 0 ? 0 : -errno;
}

/* ---- its start ---- */

/* A kernel that has not the last part of them does not know this kind of waiting. */
static bool has_pidfds(void) {
  const kio_child nobody = {.fd = INT_MAX};
  siginfo_t info;
  return wait_for(&nobody, &info, WNOHANG) == -EBADF;
}

static void start_attached(kio_child_launch *launch) {
  int flags = SIGCHLD | (launch->by_pid ? 0 : CLONE_PIDFD);
  int *pidfd = launch->by_pid ? NULL : &launch->pidfd;
  launch->pid = kio_child_clone(kio_child_main, launch->stack, flags, launch, pidfd);
  if (launch->pid < 0) launch->err = errno;
}

/* By a process that shares our descriptors, for the pidfd to be ours, and that tells nobody of its
   end. When it has ended the child is an orphan. */
static void start_detached(kio_child_launch *launch) {
  int result;
  char *stack = launch->stack + STACK;
  pid_t between = kio_child_clone(kio_child_between, stack, CLONE_FILES, launch, NULL);
  if (between < 0) {
    launch->err = errno;
    return;
  }
  do result = waitpid(between, NULL, __WALL);
  while (result < 0 && errno == EINTR);
}

/* Nothing of ours may run in the child but what is meant to: not a handler either. */
static void start_blocked(kio_child_launch *launch) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  if (launch->plan->detached) start_detached(launch);
  else start_attached(launch);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* The child has ended without its exec. */
static void forget(const kio_child_launch *launch) {
  kio_child child = {.pid = launch->pid, .fd = launch->pidfd, .by_pid = launch->by_pid};
  kio_child_end end;
  if (launch->pid < 0) return;
  kio_child_reap_now(&child, &end);
  if (launch->pidfd >= 0) close(launch->pidfd);
}

int kio_child_start(const kio_child_plan *plan, kio_child *child, kio_child_step *step) {
  kio_child_launch launch = {.plan = plan, .pid = -1, .pidfd = -1, .step = KIO_CHILD_MAKE};
  launch.by_pid = !has_pidfds();
  *step = KIO_CHILD_DETACH;
  if (launch.by_pid && plan->detached) return -ENOSYS;
  size_t size = plan->detached ? 2 * STACK : STACK;
  char *stacks =
      mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  *step = KIO_CHILD_MAKE;
  if (stacks == MAP_FAILED) return -errno;
  launch.stack = stacks + STACK;
  start_blocked(&launch);
  munmap(stacks, size);
  *step = launch.step;
  if (launch.err) {
    forget(&launch);
    return -launch.err;
  }
  int fd = launch.by_pid ? -1 : kio_number_own(launch.pidfd);
  *child = (kio_child){.pid = launch.pid, .fd = fd, .by_pid = launch.by_pid};
  return 0;
}
