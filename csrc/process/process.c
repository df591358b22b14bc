/* The C half of kio.process: starting a child, waiting for its end, signals to it. Owns the pidfd,
   in a userdata: while that lives the child is reaped by nobody else, and when it goes the child is
   ended and reaped, unless it is detached: then it is left alone. */
#include "process/process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "base/errname.h"
#include "base/log.h"
#include "base/signame.h"
#include "op/close.h"
#include "op/registry.h"
#include "system/child.h"
#include "task/here.h"
#include "task/io.h"
#include "task/result.h"
#include "task/task.h"
#include "task/wait.h"

static kio_process *check_child(lua_State *L) {
  return luaL_checkudata(L, 1, KIO_PROCESS_TYPE);
}

/* "command (pid 5)", which lies in the user value. */
static const char *push_subject(lua_State *L) {
  lua_getiuservalue(L, 1, 1);
  return lua_tostring(L, -1);
}

/* ---- its end ---- */

static void let_go(kio_process *c) {
  if (c->child.fd < 0 || c->waiting > 0) return;
  kio_sched_close_fd(c->child.fd);
  c->child.fd = -1;
}

/* Looks whether it has ended. */
static bool look(kio_process *c) {
  if (c->ended || c->left) return c->ended;
  int result = kio_child_reap(&c->child, &c->end);
  c->ended = result != 0;
  c->err = result < 0 ? result : 0;
  return c->ended;
}

static int fail_left(lua_State *L, const char *what) {
  return kio_fail_text(L, "EBADF", what, push_subject(L), "it is detached, and its handle closed");
}

static int push_end(lua_State *L, kio_process *c) {
  char name[16];
  let_go(c);
  if (c->err && c->detached) {
    return kio_fail_text(L, kio_errname(-c->err), "wait", push_subject(L),
                         "it has ended; how is told to its parent alone: it is detached");
  }
  if (c->err) return kio_fail(L, -c->err, "wait", push_subject(L));
  if (c->end.signal == 0) return (lua_pushinteger(L, c->end.code), 1);
  kio_signame(c->end.signal, name);
  lua_pushboolean(L, false);
  lua_pushstring(L, name);
  return 2;
}

static int l_waitk(lua_State *L, int status, lua_KContext ctx) {
  kio_request *request = kio_op_result(ctx);
  const kio_task *task = kio_sched_current()->current;
  int err = kio_op_error(task, request);
  kio_process *c = check_child(L);
  (void)status;
  kio_op_release(request);
  c->waiting--;
  if (c->left) let_go(c);
  if (kio_op_cancelled(task, err)) return kio_task_raise_cancelled(L);
  if (c->left) return fail_left(L, "wait");
  if (look(c)) return push_end(L, c);
  return kio_fail(L, err ? err : EAGAIN, "wait", push_subject(L));
}

static int wait_for(lua_State *L, kio_process *c, kio_task *task, int64_t timeout,
                    lua_KFunction k) {
  kio_request *request;
  lua_settop(L, 1);
  int err =
      kio_sched_request(task->sched, KIO_OP_POLL, c->child.fd, task, kio_op_wake_owner, &request);
  if (err) return kio_fail(L, -err, "wait", push_subject(L));
  request->arg.events = POLLIN;
  c->waiting++;
  int failed = kio_op_submit(L, request, timeout, k);
  c->waiting--; /* only out of memory comes here */
  return failed;
}

/* process_wait(child [, options]) -> exit status | false, the signal that has ended it */
static int l_wait(lua_State *L) {
  kio_process *c = check_child(L);
  int64_t timeout = kio_op_timeout(L, 2);
  kio_task *task = kio_op_begin(L);
  if (c->left) return fail_left(L, "wait");
  if (look(c)) return push_end(L, c);
  return wait_for(L, c, task, timeout, l_waitk);
}

/* ---- ending it ---- */

/* What the last request of a child that goes by its number keeps of it, for an owner. */
static void *owner_of(const kio_child *child) {
  return child->by_pid ? (void *)(intptr_t)child->pid : NULL; /* NOLINT */
}

/* The last one that a child nobody wants any more is told by. */
static void reap_orphan(kio_request *request) {
  kio_child child = {.pid = (pid_t)(intptr_t)request->owner, .fd = request->fd};
  kio_child_end end;
  child.by_pid = child.pid != 0;
  kio_child_reap(&child, &end); /* how it ended nobody asks, nor whether others have reaped it */
  kio_sched_release(kio_sched_current(), request);
  kio_sched_close_fd(child.fd);
}

/* False: it may not be signalled (it has become another user's) and runs on. */
static bool end_it(const kio_process *c, int *err) {
  *err = kio_child_signal(&c->child, SIGKILL);
  return *err == 0 || *err == -ESRCH; /* it has ended, and somebody has reaped it */
}

/* Has it reaped without waiting here, where a loop can see to that. One that does not end soon is
   reaped if it ends while the loop runs, which does not wait for that. */
static bool reap_later(kio_process *c, bool ends) {
  kio_request *request;
  kio_sched *sched = kio_sched_here();
  void *owner = owner_of(&c->child);
  if (!sched ||
      kio_sched_request(sched, KIO_OP_POLL, c->child.fd, owner, reap_orphan, &request) != 0) {
    return false;
  }
  request->flags |= KIO_REQUEST_OWNS_FD | (ends ? 0 : KIO_REQUEST_SILENT);
  request->arg.events = POLLIN;
  kio_ring_queue(&sched->ring, request);
  c->child.fd = -1;
  return true;
}

/* Lets it run on. A process that adopts orphans, such as the first one of a container, has got it
   back: then it is reaped as well as can be. Those who wait for it are woken. */
static void leave_alone(kio_process *c) {
  kio_sched *sched = kio_sched_here();
  c->left = true;
  if (sched) kio_desc_cancel(&sched->descs, &sched->ring, c->child.fd, KIO_REQUEST_CLOSED);
  if (c->waiting == 0 && kio_child_is_ours(&c->child)) reap_later(c, false);
}

/* Nobody wants it any more. */
static void abandon(kio_process *c) {
  if (c->child.pid == 0 || c->left || look(c)) return;
  if (c->detached) {
    leave_alone(c);
    return;
  }
  int err;
  bool ends = end_it(c, &err);
  if (!ends) {
    kio_log("process %d runs on: it may not be signalled: %s", c->child.pid, strerror(-err));
  }
  c->ended = true;
  c->err = -ECHILD;
  if (reap_later(c, ends) || !ends) return;
  kio_child_reap_now(&c->child, &c->end); /* fails only when others have reaped it */
}

static int close_now(lua_State *L, kio_process *c) {
  abandon(c);
  let_go(c);
  lua_pushboolean(L, true);
  return 1;
}

static void end(void *self) {
  kio_process *c = self;
  c->waiting = 0; /* a task that waits holds it: there is none */
  abandon(c);
  let_go(c);
}

static int l_close_endedk(lua_State *L, int status, lua_KContext ctx) {
  kio_process *c = check_child(L);
  (void)status;
  kio_op_release(kio_op_result(ctx));
  c->waiting--;
  return close_now(L, c);
}

static int runs_on(lua_State *L, int err) {
  return kio_fail_text(L, kio_errname(err), "close", push_subject(L),
                       "it may not be signalled, and runs on");
}

/* process_close(child) -> true | nil, message, code: it cannot be killed; kills it if it runs, and
   reaps it. Never refused to a cancelled
   task, whose cancellation waits. */
static int l_close(lua_State *L) {
  kio_process *c = check_child(L);
  kio_request *request;
  lua_settop(L, 1);
  if (!kio_close_may_wait(L) || c->child.pid == 0 || c->detached || look(c)) return close_now(L, c);
  kio_task *task = kio_op_begin_closing(L);
  kio_sched *sched = task->sched;
  int err;
  if (!end_it(c, &err)) return runs_on(L, -err);
  err = kio_sched_request(sched, KIO_OP_POLL, c->child.fd, task, kio_op_wake_owner, &request);
  if (err) return close_now(L, c);
  request->arg.events = POLLIN;
  c->waiting++;
  task->request = request;
  kio_ring_queue(&sched->ring, request);
  kio_task_says(task, "wait", c->child.fd);
  return kio_task_park(L, task, NULL, (lua_KContext)request, l_close_endedk);
}

static int check_signal(lua_State *L, int index) {
  if (lua_isnoneornil(L, index)) return SIGTERM;
  int number = lua_isinteger(L, index) ? kio_check_int(L, index)
                                       : kio_signame_find(luaL_checkstring(L, index));
  luaL_argcheck(L, number > 0 && number <= KIO_SIGNAL_MAX, index, "no such signal");
  return number;
}

/* process_kill(child [, signal]) -> true */
static int l_kill(lua_State *L) {
  kio_process *c = check_child(L);
  int number = check_signal(L, 2);
  if (c->left) return fail_left(L, "kill");
  int err = c->ended || c->child.fd < 0 ? -ESRCH : kio_child_signal(&c->child, number);
  if (err) return kio_fail(L, -err, "kill", (lua_settop(L, 1), push_subject(L)));
  lua_pushboolean(L, true);
  return 1;
}

/* process_state(child) -> "running", "ended" or "detached" (its handle is closed), as far as one
   knows without waiting */
static int l_state(lua_State *L) {
  kio_process *c = check_child(L);
  bool ended = c->child.pid == 0 || look(c);
  lua_pushstring(L, ended ? "ended" : c->left ? "detached" : "running");
  return 1;
}

/* process_environment() -> a list of this process's variables: "NAME=value" */
static int l_environment(lua_State *L) {
  lua_Integer count = 0;
  lua_newtable(L);
  for (char **at = environ; at && *at; at++) {
    lua_pushstring(L, *at);
    lua_rawseti(L, -2, ++count);
  }
  return 1;
}

const kio_type kio_process_type = {.name = KIO_PROCESS_TYPE, .end = end};

const luaL_Reg kio_process_own[] = {
    {"process_spawn", kio_process_spawn},
    {"process_pipe", kio_process_pipe},
    {"process_give", kio_process_give},
    {"process_wait", l_wait},
    {"process_kill", l_kill},
    {"process_close", l_close},
    {"process_state", l_state},
    {"process_environment", l_environment},
    {NULL, NULL},
};
