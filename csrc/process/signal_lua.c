/* kio.signal: waiting for signals, once or in a loop. A watch is a userdata: that of wait lies on
   its frame and is closed when the wait is over, that of each is closed by the loop. */
#include <errno.h>
#include <string.h>

#include "base/errname.h"
#include "op/misuse.h"
#include "op/op.h"
#include "op/registry.h"
#include "process/signals.h"
#include "task/collect.h"
#include "task/here.h"
#include "task/result.h"
#include "task/task.h"
#include "task/wait.h"
#include "thread/runtime.h"

#define WATCH_TYPE "kio.SignalWatch"

static const char waiting[] = "signal";

/* ---- names ---- */

static uint64_t check_name(lua_State *L, int index) {
  const char *name = luaL_checkstring(L, index);
  int number = kio_signame_find(name);
  luaL_argcheck(
      L, number, index,
      lua_pushfstring(L, "there is no signal '%s' (names are written as \"TERM\")", name));
  luaL_argcheck(L, kio_signals_may_watch(number), index,
                lua_pushfstring(L, "%s cannot be waited for", name));
  return kio_signal_bit(number);
}

/* The signals named by the arguments from 1 to `last`. */
static uint64_t check_names(lua_State *L, int last) {
  uint64_t set = 0;
  luaL_argcheck(L, last >= 1, 1, "no signal is named");
  for (int i = 1; i <= last; i++) set |= check_name(L, i);
  return set;
}

/* Pushes the names of a set: "HUP TERM". */
static const char *push_names(lua_State *L, uint64_t set) {
  char name[16];
  luaL_Buffer text;
  luaL_buffinit(L, &text);
  for (int n = 1; n <= KIO_SIGNAL_MAX; n++) {
    if (!(set & kio_signal_bit(n))) continue;
    kio_signame(n, name);
    if (luaL_bufflen(&text) > 0) luaL_addchar(&text, ' ');
    luaL_addstring(&text, name);
  }
  luaL_pushresult(&text);
  return lua_tostring(L, -1);
}

static int push_name(lua_State *L, int number) {
  char name[16];
  kio_signame(number, name);
  lua_pushstring(L, name);
  return 1;
}

/* ---- watches ---- */

static kio_watch_signals *new_watch(lua_State *L, uint64_t set) {
  kio_watch_signals *watch = lua_newuserdatauv(L, sizeof *watch, 0);
  *watch = (kio_watch_signals){.set = set};
  luaL_setmetatable(L, WATCH_TYPE);
  return watch;
}

static int fail(lua_State *L, const kio_watch_signals *watch, const char *what, int err) {
  return kio_fail(L, err, what, push_names(L, watch->set));
}

static void end(void *self) {
  kio_signals_close(self);
}

static int l_tostring(lua_State *L) {
  const kio_watch_signals *watch = luaL_checkudata(L, 1, WATCH_TYPE);
  const char *names = push_names(L, watch->set);
  lua_pushfstring(L, WATCH_TYPE " (%s, %s)", watch->signals ? "open" : "closed", names);
  return 1;
}

/* Parks the running task until a signal comes. */
static int park(lua_State *L, kio_watch_signals *watch, kio_task *task, int64_t timeout_ns,
                lua_KFunction k) {
  if (!kio_sched_timer(task->sched, task, kio_sched_due(task->sched, timeout_ns))) {
    kio_signals_close(watch);
    return fail(L, watch, waiting, ENOMEM);
  }
  kio_signals_await(watch, task);
  kio_task_says(task, waiting, -1);
  return kio_task_park(L, task, kio_signals_abandon, (lua_KContext)watch, k);
}

/* The wait is over: the signal that has come, or 0 and why there is none; raises Cancelled. */
static int outcome(lua_State *L, kio_watch_signals *watch, int *err) {
  const kio_task *task = kio_sched_current()->current;
  watch->waiter = NULL;
  *err = watch->err;
  watch->err = 0;
  if (task->wake == KIO_WAKE_CANCEL) return kio_task_raise_cancelled(L);
  int number = kio_signals_take(watch);
  if (number == 0 && task->wake == KIO_WAKE_TIMEOUT) *err = ETIMEDOUT;
  return number;
}

/* ---- wait ---- */

static int l_waitk(lua_State *L, int status, lua_KContext ctx) {
  kio_watch_signals *watch = (kio_watch_signals *)ctx; /* NOLINT: it is on this frame */
  int err;
  (void)status;
  if (kio_sched_current()->current->wake == KIO_WAKE_CANCEL) kio_signals_close(watch);
  int number = outcome(L, watch, &err);
  kio_signals_close(watch);
  return number ? push_name(L, number) : fail(L, watch, waiting, err);
}

/* In other threads it is not blocked, so there it would have its usual effect: workers from 2 on
   block all signals for good, but the first one is the program's own thread. */
static void check_first_worker(lua_State *L, const kio_task *task) {
  const kio_worker *worker = task->sched->config.worker;
  if (!worker || worker->id == 1) return;
  kio_misuse(L, "signals are waited for on the first worker only: others do not see them");
}

/* signal_wait(name, ... [, options]) -> the name of the one that came */
static int l_wait(lua_State *L) {
  int last = lua_gettop(L) - (lua_gettop(L) > 1 && lua_istable(L, -1));
  uint64_t set = check_names(L, last);
  int64_t timeout = kio_op_timeout(L, last + 1);
  kio_task *task = kio_op_begin(L);
  check_first_worker(L, task);
  kio_watch_signals *watch = new_watch(L, set);
  int err = kio_signals_watch(task->sched, watch);
  if (kio_collect(L, err, 1)) err = kio_signals_watch(task->sched, watch);
  if (err) return fail(L, watch, waiting, -err);
  int number = kio_signals_take(watch);
  if (number) {
    kio_signals_close(watch);
    return push_name(L, number);
  }
  return park(L, watch, task, timeout, l_waitk);
}

/* ---- each ---- */

static int l_nextk(lua_State *L, int status, lua_KContext ctx) {
  kio_watch_signals *watch = (kio_watch_signals *)ctx; /* NOLINT: it is on this frame */
  int err;
  (void)status;
  int number = outcome(L, watch, &err);
  if (number) return push_name(L, number);
  if (!watch->signals) return 0; /* closed meanwhile */
  return luaL_error(L, "signal %s: %s (%s)", push_names(L, watch->set), strerror(err),
                    kio_errname(err));
}

/* next(watch) -> the name of the next signal | nil: the watch was closed */
static int l_next(lua_State *L) {
  kio_watch_signals *watch = luaL_checkudata(L, 1, WATCH_TYPE);
  kio_task *task = kio_op_begin(L);
  if (watch->waiter) return kio_misuse(L, "another task is waiting in this loop over signals");
  int number = kio_signals_take(watch);
  if (number) return push_name(L, number);
  if (!watch->signals) return 0;
  lua_settop(L, 1);
  return park(L, watch, task, KIO_NEVER, l_nextk);
}

/* signal_each(name, ...) -> next, watch, nil, watch: for a loop, which closes the watch */
static int l_each(lua_State *L) {
  int last = lua_gettop(L);
  uint64_t set = check_names(L, last);
  kio_task *task = kio_op_task(L);
  if (kio_task_is_cancelled(task)) kio_op_begin_waiting(L); /* raises */
  check_first_worker(L, task);
  lua_pushcfunction(L, l_next);
  kio_watch_signals *watch = new_watch(L, set);
  int err = kio_signals_watch(task->sched, watch);
  if (kio_collect(L, err, 1)) err = kio_signals_watch(task->sched, watch);
  if (err) {
    return luaL_error(L, "signal %s: %s (%s)", push_names(L, set), strerror(-err),
                      kio_errname(-err));
  }
  lua_pushnil(L);
  lua_pushvalue(L, -2);
  return 4;
}

const kio_type kio_signal_type = {
    .name = WATCH_TYPE, .end = end, .close = kio_type_l_close, .tostring = l_tostring};

const luaL_Reg kio_signal_own[] = {
    {"signal_wait", l_wait},
    {"signal_each", l_each},
    {NULL, NULL},
};
