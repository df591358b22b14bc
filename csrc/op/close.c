/* Owns nothing. Called by the scheduler's thread, in a task or by a finalizer. */
#include "op/close.h"

#include <errno.h>

#include "op/op.h"
#include "task/here.h"
#include "task/io.h"
#include "task/task.h"
#include "task/wait.h"

bool kio_close_may_wait(lua_State *L) {
  const kio_sched *sched = kio_sched_here();
  return sched && sched->leaf == L && !sched->stuck && lua_isyieldable(L);
}

int kio_close_is_near(int fd) {
  const kio_sched *sched = kio_sched_here();
  return sched && kio_desc_closing(&sched->descs, fd) ? EBADF : 0;
}

void kio_close_now(int *fd) {
  if (*fd >= 0) kio_sched_close_fd(*fd);
  *fd = -1;
}

/* fd -1: there is nothing to close any more. */
static int done(lua_State *L, int fd) {
  kio_close_now(&fd);
  lua_pushboolean(L, true);
  return 1;
}

/* Nothing is shut down: another process may have the same socket, handed over or inherited, and
   goes on with it. What the kernel has holds the socket itself, not its number. */
int kio_close_wait(lua_State *L, int fd, lua_KFunction k) {
  kio_sched *sched = kio_sched_current();
  kio_desc_cancel(&sched->descs, &sched->ring, fd, KIO_REQUEST_CLOSED);
  kio_desc_await(&sched->descs, fd, sched->current);
  kio_task_says(sched->current, "close", fd);
  return kio_task_park(L, sched->current, NULL, fd, k);
}

static int l_cutk(lua_State *L, int status, lua_KContext fd) {
  (void)status;
  bool still_ours = kio_desc_reopen(&kio_sched_current()->descs, (int)fd);
  return done(L, still_ours ? (int)fd : -1);
}

int kio_close_socket(lua_State *L, int *handle, bool may_wait) {
  kio_sched *sched = kio_sched_here();
  int fd = *handle;
  *handle = -1;
  if (fd < 0) return kio_op_done_at_once(L, done(L, fd));
  if (!sched || !may_wait || !kio_desc_busy(&sched->descs, fd)) return done(L, fd);
  bool other = kio_desc_close(&sched->descs, fd) != 0; /* another handle of its number closes it */
  return other ? done(L, -1) : kio_close_wait(L, fd, l_cutk);
}
