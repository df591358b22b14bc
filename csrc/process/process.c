/* The C half of kio.process: starting a child, waiting for its end, signals to it. Owns the pidfd,
   in a userdata: while that lives the child is reaped by nobody else, and when it goes the child is
   ended and reaped. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/errname.h"
#include "base/log.h"
#include "base/number.h"
#include "base/signame.h"
#include "net/sockopt.h"
#include "net/stream_lua.h"
#include "op/close.h"
#include "op/finalizer.h"
#include "op/op.h"
#include "op/registry.h"
#include "system/child.h"
#include "task/collect.h"
#include "task/here.h"
#include "task/io.h"
#include "task/result.h"
#include "task/task.h"
#include "task/wait.h"

#define CHILD_TYPE "kio.Child"

typedef struct child {
  pid_t pid;        /* 0: never started */
  int pidfd;        /* -1: it has ended, and nobody waits */
  unsigned waiting; /* tasks that wait for its end */
  bool ended;       /* and reaped: `end` tells how, unless `err` is set */
  int err;          /* how it ended is unknown: -ECHILD */
  kio_child_end end;
} child;

static child *check_child(lua_State *L) {
  return luaL_checkudata(L, 1, CHILD_TYPE);
}

/* "command (pid 5)", which lies in the user value. */
static const char *push_subject(lua_State *L) {
  lua_getiuservalue(L, 1, 1);
  return lua_tostring(L, -1);
}

/* ---- its end ---- */

static void let_go(child *c) {
  if (c->pidfd < 0 || c->waiting > 0) return;
  kio_sched_close_fd(c->pidfd);
  c->pidfd = -1;
}

/* Looks whether it has ended. */
static bool look(child *c) {
  if (c->ended) return true;
  int result = kio_child_reap(c->pidfd, &c->end);
  c->ended = result != 0;
  c->err = result < 0 ? result : 0;
  return c->ended;
}

static int push_end(lua_State *L, child *c) {
  char name[16];
  let_go(c);
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
  child *c = check_child(L);
  (void)status;
  kio_op_release(request);
  c->waiting--;
  if (kio_op_cancelled(task, err)) return kio_task_raise_cancelled(L);
  if (look(c)) return push_end(L, c);
  return kio_fail(L, err ? err : EAGAIN, "wait", push_subject(L));
}

static int wait_for(lua_State *L, child *c, kio_task *task, int64_t timeout, lua_KFunction k) {
  kio_request *request;
  lua_settop(L, 1);
  int err =
      kio_sched_request(task->sched, KIO_OP_POLL, c->pidfd, task, kio_op_wake_owner, &request);
  if (err) return kio_fail(L, -err, "wait", push_subject(L));
  request->arg.events = POLLIN;
  c->waiting++;
  int failed = kio_op_submit(L, task, request, timeout, k);
  c->waiting--; /* only out of memory comes here */
  return failed;
}

/* process_wait(child [, options]) -> exit status | false, the signal that has ended it */
static int l_wait(lua_State *L) {
  child *c = check_child(L);
  int64_t timeout = kio_op_timeout(L, 2);
  kio_task *task = kio_op_begin(L);
  if (look(c)) return push_end(L, c);
  return wait_for(L, c, task, timeout, l_waitk);
}

/* ---- ending it ---- */

/* The last one that a child nobody wants any more is told by. */
static void reap_orphan(kio_request *request) {
  kio_child_end end;
  int pidfd = request->fd;
  kio_child_reap(pidfd, &end); /* how it ended nobody asks, nor whether others have reaped it */
  kio_sched_release(kio_sched_current(), request);
  kio_sched_close_fd(pidfd);
}

/* False: it may not be signalled (it has become another user's) and runs on. */
static bool end_it(const child *c, int *err) {
  *err = kio_child_signal(c->pidfd, SIGKILL);
  return *err == 0 || *err == -ESRCH; /* it has ended, and somebody has reaped it */
}

/* Kills it and has it reaped without waiting here, where a loop can see to that. One that cannot be
   killed is reaped if it ends while the loop runs, which does not wait for that. */
static void abandon(child *c) {
  int err;
  kio_request *request;
  kio_sched *sched = kio_sched_here();
  if (c->pid == 0 || look(c)) return;
  bool ends = end_it(c, &err);
  if (!ends) kio_log("process %d runs on: it may not be signalled: %s", c->pid, strerror(-err));
  c->ended = true;
  c->err = -ECHILD;
  bool later =
      sched && kio_sched_request(sched, KIO_OP_POLL, c->pidfd, NULL, reap_orphan, &request) == 0;
  if (!later) {
    if (ends) kio_child_reap_now(c->pidfd, &c->end); /* fails only when others have reaped it */
    return;
  }
  request->flags |= KIO_REQUEST_OWNS_FD | (ends ? 0 : KIO_REQUEST_SILENT);
  request->arg.events = POLLIN;
  kio_ring_queue(&sched->ring, request);
  c->pidfd = -1;
}

static int close_now(lua_State *L, child *c) {
  abandon(c);
  let_go(c);
  lua_pushboolean(L, true);
  return 1;
}

static int l_gc(lua_State *L) {
  child *c = kio_finalized(L, CHILD_TYPE);
  if (!c) return 0;
  c->waiting = 0; /* a task that waits holds it: there is none */
  close_now(L, c);
  return 0;
}

static int l_close_endedk(lua_State *L, int status, lua_KContext ctx) {
  child *c = check_child(L);
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
  child *c = check_child(L);
  kio_request *request;
  lua_settop(L, 1);
  if (!kio_close_may_wait(L) || c->pid == 0 || look(c)) return close_now(L, c);
  kio_task *task = kio_op_begin_closing(L);
  kio_sched *sched = task->sched;
  int err;
  if (!end_it(c, &err)) return runs_on(L, -err);
  err = kio_sched_request(sched, KIO_OP_POLL, c->pidfd, task, kio_op_wake_owner, &request);
  if (err) return close_now(L, c);
  request->arg.events = POLLIN;
  c->waiting++;
  task->request = request;
  kio_ring_queue(&sched->ring, request);
  kio_task_says(task, "wait", c->pidfd);
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
  child *c = check_child(L);
  int number = check_signal(L, 2);
  int err = c->ended || c->pidfd < 0 ? -ESRCH : kio_child_signal(c->pidfd, number);
  if (err) return kio_fail(L, -err, "kill", (lua_settop(L, 1), push_subject(L)));
  lua_pushboolean(L, true);
  return 1;
}

/* process_ended(child) -> whether it has ended, as far as one knows without waiting */
static int l_ended(lua_State *L) {
  child *c = check_child(L);
  lua_pushboolean(L, c->pid == 0 || look(c));
  return 1;
}

/* ---- starting it ---- */

enum { ARGV = 1, ENV, CWD, STDIO, CHILD = STDIO + 3, STREAMS, ARGP = STREAMS + 3, ENVP };

/* Three pipes, a folder, a pidfd, and what the C library takes meanwhile. */
enum { PROCESS_FDS = 10 };

/* What the child gets as one of its three descriptors. */
typedef struct stdio {
  int fd;    /* -1: none */
  int ours;  /* our end of a pipe; -1: none */
  bool made; /* fd is to be closed when the child has it */
} stdio;

static int open_pipe(stdio *s, bool input) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return -errno;
  s->fd = kio_number_own(ends[input ? 0 : 1]);
  s->ours = kio_number_own(ends[input ? 1 : 0]);
  s->made = true;
  /* Our end only: kernels before 6.4 would hold a thread for each write that waits. */
  return input && fcntl(s->ours, F_SETFL, O_WRONLY | O_NONBLOCK) != 0 ? -errno : 0;
}

/* Programs expect descriptors that wait. Ours need not be otherwise: the ring waits by itself. */
static int give(stdio *s, lua_Integer number) {
  int fd = kio_number_meant(number), flags = fcntl(fd, F_GETFL);
  if (flags < 0) return -errno;
  s->fd = fd;
  return flags & O_NONBLOCK && fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0 ? -errno : 0;
}

/* One of the three numbers themselves would be overwritten before it is given: it moves away. */
static int keep_clear(stdio *s, int slot) {
  if (s->fd < 0 || s->fd > 2 || s->fd == slot) return 0;
  int fd = kio_number_own(fcntl(s->fd, F_DUPFD_CLOEXEC, 3));
  if (fd < 0) return -errno;
  if (s->made) kio_number_close(s->fd);
  s->fd = fd;
  s->made = true;
  return 0;
}

static int open_stdio(lua_State *L, stdio *s, int slot, bool *merge) {
  const char *what =
      lua_type(L, STDIO + slot) == LUA_TSTRING ? lua_tostring(L, STDIO + slot) : NULL;
  *s = (stdio){.fd = -1, .ours = -1};
  if (!what) {
    int err = give(s, lua_tointeger(L, STDIO + slot));
    if (err) return err;
  } else if (strcmp(what, "inherit") == 0) {
    s->fd = fcntl(slot, F_GETFD) < 0 ? -1 : slot;
  } else if (strcmp(what, "null") == 0) {
    s->fd = kio_number_own(open("/dev/null", O_RDWR | O_CLOEXEC));
    if (s->fd < 0) return -errno;
    s->made = true;
  } else if (strcmp(what, "stdout") == 0) {
    *merge = true;
  } else {
    int err = open_pipe(s, slot == 0);
    if (err) return err;
  }
  return keep_clear(s, slot);
}

static void close_given(stdio *all) {
  for (int i = 0; i < 3; i++) {
    if (all[i].made) kio_number_close(all[i].fd);
    all[i].made = false;
  }
}

/* Our ends become streams, which own them from now on. */
static int make_streams(lua_State *L, stdio *all) {
  kio_sockaddr nobody = {.size = 0};
  for (int i = 0; i < 3; i++) {
    if (all[i].ours < 0) continue;
    kio_stream_handle *h = lua_touserdata(L, STREAMS + i);
    h->stream = kio_stream_new(all[i].ours, &nobody);
    if (!h->stream) return -ENOMEM;
    all[i].ours = -1;
  }
  return 0;
}

/* It came to nothing. */
static void undo(lua_State *L, stdio *all) {
  close_given(all);
  for (int i = 0; i < 3; i++) {
    kio_stream_handle *h = lua_touserdata(L, STREAMS + i);
    if (h->stream) kio_stream_drop(h->stream);
    h->stream = NULL;
    if (all[i].ours >= 0) kio_number_close(all[i].ours);
  }
}

static int start(lua_State *L, child *c, stdio *all) {
  kio_child_plan plan = {
      .argv = lua_touserdata(L, ARGP), .envp = lua_touserdata(L, ENVP), .cwd = -1};
  int err = 0, fd;
  plan.file = plan.argv[0];
  for (int i = 0; i < 3; i++) all[i] = (stdio){.fd = -1, .ours = -1};
  for (int i = 0; i < 3 && !err; i++) {
    err = open_stdio(L, &all[i], i, &plan.merge);
    plan.fds[i] = all[i].fd;
  }
  if (!err) err = make_streams(L, all);
  if (!err && lua_isstring(L, CWD)) {
    plan.cwd = kio_number_own(open(lua_tostring(L, CWD), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (plan.cwd < 0) err = -errno;
  }
  if (!err) err = kio_child_start(&plan, &c->pid, &fd);
  if (plan.cwd >= 0) kio_number_close(plan.cwd);
  if (err) return err;
  c->pidfd = fd;
  c->ended = fd < 0;
  c->err = c->ended ? -ECHILD : 0;
  return err;
}

/* Pushes a NULL-ended array of the strings in the list at `index`, which keeps them. */
static void push_strings(lua_State *L, int index) {
  lua_Integer count = (lua_Integer)lua_rawlen(L, index);
  char **list = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *list, 0);
  for (lua_Integer i = 0; i < count; i++) {
    luaL_argcheck(L, lua_rawgeti(L, index, i + 1) == LUA_TSTRING, index, "strings expected");
    list[i] = (char *)(uintptr_t)lua_tostring(L, -1); /* exec(3) does not write there */
    lua_pop(L, 1);
  }
  list[count] = NULL;
}

/* Numbers in place of the handles among the three: asked for only now, for finalizers may have
   closed some since. */
static void resolve_handles(lua_State *L) {
  for (int slot = STDIO; slot < STDIO + 3; slot++) {
    if (!lua_isuserdata(L, slot)) continue;
    int fd = kio_handle_fd(L, slot);
    luaL_argcheck(L, fd >= 0, slot, "a closed handle");
    lua_pushinteger(L, fd);
    lua_replace(L, slot);
  }
}

/* process_spawn(argv, env, cwd | nil, stdin, stdout, stderr) -> child, pid, three streams, false
   where there is none; argv and env are lists of strings. What becomes each descriptor: "pipe",
   "inherit", "null", "stdout", a number, or a handle. The arguments have been checked. */
static int l_spawn(lua_State *L) {
  stdio all[3];
  luaL_checktype(L, ARGV, LUA_TTABLE);
  luaL_argcheck(L, lua_rawlen(L, ARGV) > 0, ARGV, "a command expected");
  luaL_checktype(L, ENV, LUA_TTABLE);
  lua_settop(L, STDIO + 2);
  child *c = lua_newuserdatauv(L, sizeof *c, 1);
  *c = (child){.pidfd = -1};
  luaL_setmetatable(L, CHILD_TYPE);
  for (int i = 0; i < 3; i++) kio_stream_push_empty(L);
  push_strings(L, ARGV);
  push_strings(L, ENV);
  resolve_handles(L);
  int err = start(L, c, all);
  if (kio_collect(L, err, PROCESS_FDS)) {
    undo(L, all);
    err = start(L, c, all);
  }
  const char *command = ((char **)lua_touserdata(L, ARGP))[0];
  if (err) {
    undo(L, all);
    const char *cwd = lua_tostring(L, CWD);
    return kio_fail(L, -err, "spawn", cwd ? lua_pushfstring(L, "%s in %s", command, cwd) : command);
  }
  close_given(all);
  lua_pushfstring(L, "%s (pid %d)", command, (int)c->pid);
  lua_setiuservalue(L, CHILD, 1);
  lua_settop(L, ARGP - 1);
  for (int i = 0; i < 3; i++) {
    if (((kio_stream_handle *)lua_touserdata(L, STREAMS + i))->stream) continue;
    lua_pushboolean(L, false);
    lua_replace(L, STREAMS + i);
  }
  lua_pushinteger(L, c->pid);
  lua_insert(L, CHILD + 1);
  return 5;
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

void kio_process_open(lua_State *L) {
  kio_new_hidden_type(L, CHILD_TYPE, l_gc);
}

const luaL_Reg kio_process_ops[] = {
    {"process_spawn", l_spawn},
    {"process_wait", l_wait},
    {"process_kill", l_kill},
    {"process_close", l_close},
    {"process_ended", l_ended},
    {"process_environment", l_environment},
    {NULL, NULL},
};
