/* Operations that wait for time, for readiness, or for other operations to end. Called in a
   task. */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/number.h"
#include "op/close.h"
#include "op/op.h"
#include "op/registry.h"
#include "task/here.h"
#include "task/io.h"
#include "task/result.h"
#include "task/task.h"
#include "task/wait.h"

/* ---- time ---- */

static int l_sleepk(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  if (kio_sched_current()->current->wake == KIO_WAKE_CANCEL) return kio_task_raise_cancelled(L);
  return 0;
}

/* sleep(seconds) */
static int l_sleep(lua_State *L) {
  int64_t ns = kio_check_seconds(L, 1);
  kio_takes(L, 1);
  kio_task *task = kio_op_begin(L);
  kio_op_timer(L, task, ns);
  kio_task_says(task, "sleep", -1);
  return kio_task_park(L, task, kio_task_wake, 0, l_sleepk);
}

static int l_yieldk(lua_State *L, int status, lua_KContext ctx) {
  const kio_sched *sched = kio_sched_current();
  (void)status;
  (void)ctx;
  if (!sched || sched->leaf != L) kio_task_check_resumed(L); /* raises */
  if (kio_task_is_cancelled(sched->current)) return kio_task_raise_cancelled(L);
  return 0;
}

/* yield(): lets every other ready task, and the kernel, have a turn */
static int l_yield(lua_State *L) {
  kio_takes(L, 0);
  kio_task *task = kio_op_begin(L);
  kio_sched_ready(task->sched, task);
  return kio_task_yield_marked(L, 0, l_yieldk);
}

/* now() -> seconds on the clock of deadlines; only differences mean something */
static int l_now(lua_State *L) {
  kio_takes(L, 0);
  kio_sched *sched = kio_sched_current();
  int64_t ns = sched ? kio_ring_now_ns(&sched->ring) : kio_real_now_ns();
  lua_pushnumber(L, (lua_Number)ns / (lua_Number)KIO_NS_PER_SEC);
  return 1;
}

/* ---- readiness ---- */

static const struct {
  char letter;
  unsigned events;
} poll_letters[] = {
    {'r', POLLIN}, {'w', POLLOUT}, {'p', POLLPRI}, {'h', POLLHUP | POLLRDHUP}, {'e', POLLERR},
};

static unsigned check_events(lua_State *L, int index) {
  unsigned events = 0;
  const char *text = luaL_checkstring(L, index);
  luaL_argcheck(L, *text, index, "no events to wait for");
  for (const char *at = text; *at; at++) {
    size_t i = 0;
    while (i < KIO_COUNT(poll_letters) && poll_letters[i].letter != *at) i++;
    luaL_argcheck(L, i < KIO_COUNT(poll_letters), index,
                  "events are made of the letters r w p h e");
    events |= poll_letters[i].events;
  }
  return events;
}

static int l_pollk(lua_State *L, int status, lua_KContext ctx) {
  kio_request *request = kio_op_result(ctx);
  (void)status;
  if (request->result < 0) return kio_op_failed(L, request);
  char text[KIO_COUNT(poll_letters)];
  size_t size = 0;
  for (size_t i = 0; i < KIO_COUNT(poll_letters); i++) {
    if ((unsigned)request->result & poll_letters[i].events) text[size++] = poll_letters[i].letter;
  }
  lua_pushlstring(L, text, size);
  kio_op_release(request);
  return 1;
}

/* poll(fd, events [, options]) -> the events that are there, among r w p h e */
static int l_poll(lua_State *L) {
  int fd = kio_check_fd(L, 1);
  kio_arg arg = {.events = check_events(L, 2)};
  return kio_op_run(L, KIO_OP_POLL, fd, arg, kio_op_timeout(L, 3), l_pollk);
}

/* ---- ending other operations ---- */

/* cancel(fd) -> how many operations on fd were asked to end; each fails with ECANCELED */
static int l_cancel(lua_State *L) {
  int fd = kio_check_fd(L, 1);
  kio_takes(L, 1);
  kio_sched *sched = kio_op_task(L)->sched;
  lua_pushinteger(L, kio_desc_cancel(&sched->descs, &sched->ring, fd, 0));
  return 1;
}

static int l_closek(lua_State *L, int status, lua_KContext ctx) {
  kio_sched_freed(kio_sched_current());
  return kio_op_donek(L, status, ctx);
}

/* One of the standard descriptors is not given up but replaced, which only a plain call does. */
static int close_standard(lua_State *L, kio_task *task, kio_request *request, int fd) {
  kio_desc_closed_by(&task->sched->descs, fd, NULL);
  kio_op_release(request);
  if (kio_sched_close_fd(fd) != 0) return kio_fail_fd(L, errno, "close", fd);
  lua_pushboolean(L, true);
  return 1;
}

/* Nothing is under way on fd any more: hand the close itself to the kernel. */
static int submit_close(lua_State *L, kio_task *task, kio_request *request, int fd) {
  if (fd <= STDERR_FILENO) return close_standard(L, task, request, fd);
  kio_desc_closed_by(&task->sched->descs, fd, request);
  request->fd = fd; /* not entered in the table: the number is free as soon as the kernel says */
  task->request = request;
  kio_ring_queue(&task->sched->ring, request);
  /* Cancelled before the kernel has seen it, it would leave the descriptor open for ever. */
  kio_task_says(task, "close", fd);
  return kio_task_park(L, task, NULL, (lua_KContext)request, l_closek);
}

static int l_close_drained(lua_State *L, int status, lua_KContext fd) {
  kio_task *task = kio_sched_current()->current;
  kio_request *request = task->request;
  (void)status;
  task->request = NULL;
  if (kio_desc_reopen(&task->sched->descs, (int)fd)) return submit_close(L, task, request, (int)fd);
  kio_op_release(request); /* somebody who does not wait was faster */
  return kio_fail_fd(L, EBADF, "close", (int)fd);
}

/* close(fd) -> true; ends what is under way on fd first. Never refused to a cancelled task. A
   handle that has the number loses it at once. */
static int l_close(lua_State *L) {
  int fd = kio_check_fd(L, 1);
  kio_takes(L, 1);
  kio_task *task = kio_op_begin_closing(L);
  kio_sched *sched = task->sched;
  kio_request *request = kio_op_request(L, task, KIO_OP_CLOSE, -1);
  if (!request) return KIO_FAILED;
  int err = kio_desc_close(&sched->descs, fd);
  if (err) {
    kio_op_release(request);
    return kio_fail_fd(L, -err, "close", fd);
  }
  kio_number_vacate(fd);
  if (!kio_desc_busy(&sched->descs, fd)) return submit_close(L, task, request, fd);
  task->request = request;
  return kio_close_wait(L, fd, l_close_drained);
}

const luaL_Reg kio_wait_ops[] = {
    {"sleep", l_sleep}, {"yield", l_yield},   {"now", l_now}, {"poll", l_poll},
    {"close", l_close}, {"cancel", l_cancel}, {NULL, NULL},
};
