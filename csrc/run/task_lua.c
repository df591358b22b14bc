/* Tasks as Lua sees them: spawn, await, join, cancel, status. */
#include "run/task_lua.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "op/misuse.h"
#include "op/op.h"
#include "op/registry.h"
#include "run/guard.h"
#include "task/here.h"
#include "task/queue.h"
#include "task/result.h"
#include "task/sched_tree.h"
#include "task/scope.h"
#include "task/task.h"
#include "task/traceback.h"
#include "task/wait.h"

/* ---- spawning ---- */

enum { NAME = 1, ON_ERROR, JOB }; /* behind the table, once it is unpacked: JOB and its arguments */

/* Pushes the options of the table at `index`, then the function and the arguments it lists. Whether
   the task is to be a daemon. */
static bool unpack_table(lua_State *L, int index) {
  static const char *const known[] = {"name", "daemon", "on_error", NULL};
  lua_Integer count = (lua_Integer)lua_rawlen(L, index);
  kio_check_named_options(L, index, known);
  luaL_argcheck(L, count < INT_MAX / 2 && lua_checkstack(L, (int)count + 8), index,
                "too many arguments to a task");
  kio_option(L, index, "daemon");
  bool daemon = lua_toboolean(L, -1);
  lua_pop(L, 1);
  int type = kio_option(L, index, "name");
  luaL_argcheck(L, type == LUA_TNIL || type == LUA_TSTRING, index, "the name must be a string");
  kio_guard_option(L, index);
  for (lua_Integer i = 1; i <= count; i++) lua_rawgeti(L, index, i);
  luaL_argcheck(L, count > 0 && lua_isfunction(L, index + JOB), index, "no function to run");
  return daemon;
}

/* Has the function at `job` tell its error to the on_error function it was given (behind `table`),
   or to the run's. */
static void guard(lua_State *L, const kio_sched *sched, const kio_scope *scope, int table,
                  int job) {
  if (table && lua_isfunction(L, table + ON_ERROR)) {
    kio_guard_wrap(L, job, table + ON_ERROR, false);
  } else if (sched->on_error && scope == &sched->root &&
             !(table && lua_isboolean(L, table + ON_ERROR))) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, scope);
    kio_guard_wrap(L, job, lua_gettop(L), true);
    lua_pop(L, 1);
  }
}

/* For the traceback that its error may get. */
static void remember_origin(lua_State *L, kio_task *task) {
  lua_Debug caller;
  if (!kio_misuse_caller(L, &caller)) return;
  strcpy(task->origin.file, caller.short_src);
  task->origin.line = caller.currentline;
}

/* Whether there is a table of options with a function in it, and not a function. */
static bool takes_table(lua_State *L, int index) {
  int type = lua_type(L, index);
  if (type != LUA_TFUNCTION && type != LUA_TTABLE) luaL_checktype(L, index, LUA_TFUNCTION);
  return type == LUA_TTABLE;
}

kio_task *kio_spawn(lua_State *L, kio_sched *sched, kio_scope *scope, int first) {
  bool daemon = false;
  int table = 0, job = first;
  if (takes_table(L, first)) {
    luaL_argcheck(L, lua_gettop(L) == first, first + 1, "arguments belong into the table");
    daemon = unpack_table(L, first);
    table = first;
    job = first + JOB;
  }
  guard(L, sched, scope, table, job);
  kio_task *task = kio_task_new(L, sched, scope, lua_gettop(L) - job);
  remember_origin(L, task);
  if (daemon) kio_sched_make_daemon(task);
  if (table && lua_isstring(L, table + NAME)) {
    lua_pushvalue(L, table + NAME);
    lua_setiuservalue(L, -2, KIO_TASK_UV_NAME);
  }
  return task;
}

kio_task *kio_spawn_beside(lua_State *L, const kio_task *sibling, int first) {
  kio_assert(sibling->sched && !sibling->started);
  int nargs = lua_gettop(L) - first;
  kio_task *task = kio_task_new(L, sibling->sched, sibling->own.parent, nargs);
  task->origin = sibling->origin;
  return task;
}

/* spawn(f, ...) -> task, in the current scope */
static int l_spawn(lua_State *L) {
  takes_table(L, 1); /* before anything else: it may raise */
  kio_task *task = kio_op_task(L);
  if (kio_task_is_cancelled(task)) kio_op_begin_waiting(L); /* raises */
  kio_spawn(L, task->sched, kio_scope_owner(task->scope), 1);
  return 1;
}

/* spawn_root(job) -> task in the run's own scope, whatever scope its spawner is in | nil: no run */
static int l_spawn_root(lua_State *L) {
  kio_sched *sched = kio_sched_here();
  if (!sched || sched->end.over) return 0;
  kio_spawn(L, sched, &sched->root, 1);
  return 1;
}

/* ---- waiting for another task ---- */

static int await_ended(lua_State *L, kio_task *target) {
  if (target->status != KIO_TASK_DONE) return kio_traceback_raise_of(L, 1);
  return kio_task_push_results(L, target);
}

static int join_ended(lua_State *L, kio_task *target) {
  lua_pushboolean(L, target->status == KIO_TASK_DONE);
  if (target->status == KIO_TASK_DONE) return 1 + kio_task_push_results(L, target);
  kio_task_push_result(L, target, 0);
  lua_getiuservalue(L, 1, KIO_TASK_UV_TRACE);
  return 3;
}

static int l_awaitk(lua_State *L, int status, lua_KContext ctx) {
  kio_task *task = kio_sched_current()->current;
  kio_task *target = kio_task_check(L, 1);
  (void)status;
  if (task->wake == KIO_WAKE_CANCEL) return kio_task_raise_cancelled(L);
  if (task->wake == KIO_WAKE_TIMEOUT) return kio_fail(L, ETIMEDOUT, ctx ? "join" : "await", "task");
  return ctx ? join_ended(L, target) : await_ended(L, target);
}

static int wait_for(lua_State *L, bool join) {
  kio_task *target = kio_task_check(L, 1);
  int64_t timeout = kio_op_timeout(L, 2);
  /* One that has not ended fails in the next turn: it must be awaited before that. */
  kio_task *task = kio_task_ended(target) ? kio_op_begin(L) : kio_op_begin_waiting(L);
  lua_settop(L, 1);
  if (kio_task_ended(target)) return join ? join_ended(L, target) : await_ended(L, target);
  if (target == task) return luaL_error(L, "a task cannot wait for itself");
  kio_op_timer(L, task, timeout);
  kio_queue_push(&target->waiters, task);
  kio_task_says(task, kio_task_awaiting, -1);
  task->subject = target;
  return kio_task_park(L, task, kio_queue_abandon, join, l_awaitk);
}

/* task:await() -> results; raises the task's error */
static int l_await(lua_State *L) {
  return wait_for(L, false);
}

/* task:join() -> true, results... | false, error, traceback */
static int l_join(lua_State *L) {
  return wait_for(L, true);
}

/* ---- the rest ---- */

/* task:cancel() -> whether it was still alive */
static int l_cancel(lua_State *L) {
  kio_task *task = kio_task_check(L, 1);
  kio_takes(L, 1);
  lua_pushboolean(L, !kio_task_ended(task));
  kio_task_cancel(task);
  return 1;
}

static int l_status(lua_State *L) {
  kio_takes(L, 1);
  lua_pushstring(L, kio_task_status_name(kio_task_check(L, 1)));
  return 1;
}

static int l_tostring(lua_State *L) {
  kio_task *task = kio_task_check(L, 1);
  const char *status = kio_task_status_name(task);
  if (lua_getiuservalue(L, 1, KIO_TASK_UV_NAME) == LUA_TSTRING) {
    const char *name = kio_traceback_escape(L, KIO_ESCAPE_NAME);
    lua_pushfstring(L, "kio.Task \"%s\" (%s): %p", name, status, task);
  } else {
    lua_pushfstring(L, "kio.Task (%s): %p", status, task);
  }
  return 1;
}

/* is_cancelled(err) -> boolean */
static int l_is_cancelled(lua_State *L) {
  kio_takes(L, 1);
  luaL_checkany(L, 1);
  lua_pushboolean(L, luaL_testudata(L, 1, KIO_CANCELLED_TYPE) != NULL);
  return 1;
}

/* text_of(value) -> what tostring gives; also for a value whose __tostring fails, or yields */
static int l_text_of(lua_State *L) {
  luaL_checkany(L, 1);
  kio_traceback_push_text(L, 1);
  return 1;
}

static const luaL_Reg methods[] = {
    {"await", l_await}, {"join", l_join}, {"cancel", l_cancel}, {"status", l_status}, {NULL, NULL},
};

static int l_cancelled_tostring(lua_State *L) {
  lua_pushliteral(L, KIO_CANCELLED_TYPE);
  return 1;
}

const kio_type kio_task_type = {
    .name = KIO_TASK_TYPE, .methods = {methods}, .tostring = l_tostring};
const kio_type kio_cancelled_type = {.name = KIO_CANCELLED_TYPE, .tostring = l_cancelled_tostring};

const luaL_Reg kio_task_ops[] = {
    {"spawn", l_spawn},
    {"is_cancelled", l_is_cancelled},
    {NULL, NULL},
};

const luaL_Reg kio_task_own[] = {
    {"text_of", l_text_of},
    {"spawn_root", l_spawn_root},
    {NULL, NULL},
};
