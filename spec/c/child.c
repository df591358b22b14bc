/* Starting processes while another thread takes the end of every child, as a library may that calls
   waitpid(-1): each has its pidfd from its first moment, and its end is told, or that it is lost;
   no signal goes to another process. Likewise where SIGCHLD is ignored. */
#include "system/child.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { ROUNDS = 300 };

static volatile bool over;
static int stolen;

static void *steal(void *arg) {
  (void)arg;
  while (!over) {
    if (waitpid(-1, NULL, WNOHANG) > 0) stolen++;
  }
  return NULL;
}

static int start(const char *file, kio_child *child, bool detached, int in) {
  kio_child_step step;
  char *argv[] = {(char *)(uintptr_t)file, NULL}, *envp[] = {NULL};
  kio_child_plan plan = {
      .file = file, .argv = argv, .envp = envp, .cwd = -1, .fds = {in, 1, 2}, .detached = detached};
  int err = kio_child_start(&plan, child, &step);
  CHECK(err == 0 ? child->pid > 0 && child->fd >= 0 : step == KIO_CHILD_EXEC);
  return err;
}

static void await(const kio_child *child) {
  struct pollfd ended = {.fd = child->fd, .events = POLLIN};
  CHECK(poll(&ended, 1, 30000) == 1);
}

static void rounds(bool may_be_lost) {
  kio_child_end end = {.code = -2};
  int told = 0;
  kio_child child;
  for (int i = 0; i < ROUNDS; i++) {
    CHECK(start("/bin/true", &child, i % 10 == 9, 0) == 0);
    await(&child);
    int result = kio_child_reap(&child, &end);
    CHECK(result == -ECHILD || (result == 1 && end.code == 0));
    CHECK(i % 10 == 9 || may_be_lost || result == 1);
    CHECK(kio_child_reap(&child, &end) == -ECHILD);
    told += result == 1;
    /* Somebody who is reaping it may not be done yet: a signal does a zombie no harm. */
    int signalled = i % 10 != 9 ? kio_child_signal(&child, SIGKILL) : -ESRCH;
    CHECK(signalled == -ESRCH || (may_be_lost && signalled == 0));
    close(child.fd);
    CHECK(start("/no/such/program", &child, i % 10 == 9, 0) == -ENOENT);
  }
  printf("%d of %d told\n", told, ROUNDS);
  CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

/* One that runs is neither ours nor at its end when it is detached. */
static void running(void) {
  int ends[2];
  kio_child child;
  kio_child_end end;
  for (int detached = 0; detached < 2; detached++) {
    CHECK(pipe(ends) == 0);
    CHECK(start("/bin/cat", &child, detached, ends[0]) == 0);
    CHECK(kio_child_reap(&child, &end) == 0);
    CHECK(kio_child_is_ours(&child) == !detached);
    CHECK(kio_child_signal(&child, SIGKILL) == 0);
    await(&child);
    CHECK(detached || (kio_child_reap(&child, &end) == 1 && end.signal == SIGKILL));
    close(child.fd);
    close(ends[0]);
    close(ends[1]);
  }
}

int main(void) {
  pthread_t thief;
  running();
  rounds(false);
  CHECK(pthread_create(&thief, NULL, steal, NULL) == 0);
  rounds(true);
  over = true;
  pthread_join(thief, NULL);
  signal(SIGCHLD, SIG_IGN);
  rounds(true);
  return 0;
}
