/* Owns a descriptor of its own to what the caller polls, until the child has ended: so the caller's
   number may be closed and become another's. The child stays for its owner to reap (WNOWAIT). One
   thread for each child: waitid(2) waits for one, or for children that are others' as well. */
#include "thread/child_wait.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include "base/memory.h"
#include "base/number.h"
#include "thread/thread.h"

typedef struct child_wait {
  pid_t pid;
  int fd;
} child_wait;

static void *await_end(void *arg) {
  child_wait wait = *(child_wait *)arg;
  siginfo_t info;
  int result;
  kio_memory_free(arg);
  do result = waitid(P_PID, (id_t)wait.pid, &info, WEXITED | WNOWAIT);
  while (result != 0 && errno == EINTR);
  eventfd_write(wait.fd, 1); /* the first one: there is room */
  kio_number_close(wait.fd);
  return NULL;
}

static int start(child_wait *wait) {
  static const kio_thread_config config = {.name = "kio-child", .stack_size = KIO_CHILD_WAIT_STACK};
  pthread_t thread;
  int err = kio_thread_start(&thread, &config, await_end, wait);
  if (!err) kio_thread_abandon(thread);
  return err;
}

/* The thread's own descriptor and what it is told; -errno: neither is left. */
static int start_for(pid_t pid, int fd) {
  int own = kio_number_own(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (own < 0) return -errno;
  child_wait *wait = kio_memory_new(sizeof *wait);
  if (wait) *wait = (child_wait){pid, own};
  int err = wait ? start(wait) : -ENOMEM;
  if (!err) return 0;
  kio_number_close(own);
  kio_memory_free(wait);
  return err;
}

int kio_child_wait_open(pid_t pid) {
  int fd = kio_number_own(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (fd < 0) return -errno;
  int err = start_for(pid, fd);
  if (err) kio_number_close(fd);
  return err ? err : fd;
}
