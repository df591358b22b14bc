/* Scopes as Lua sees them: kio.scope, kio.timeout, kio.deadline, kio.shield. All are one function:
   open a scope in the calling task, run the body in it under a protected call, wait until every
   task of the scope has ended, close it, and tell the outcome. The frame: the scope's userdata, the
   message handler, then the body and its arguments, and after the body its results or its error. */
#include "run/scope_lua.h"

#include "op/op.h"
#include "op/registry.h"
#include "run/task_lua.h"
#include "task/anchor.h"
#include "task/here.h"
#include "task/result.h"
#include "task/sched_tree.h"
#include "task/scope.h"
#include "task/task.h"
#include "task/traceback.h"
#include "task/wait.h"

#define SCOPE_TYPE "kio.Scope"

static const char scope_tag;

enum { SELF = 1, HANDLER, BODY = KIO_SCOPE_RESULTS }; /* the frame */

typedef struct handle {
  const void *tag;   /* &scope_tag: tells the type faster than the metatable does */
  kio_scope scope;   /* scope.parent NULL: closed */
  kio_sched *sched;  /* only valid while it is open */
  const char *what;  /* the function that opened it, for messages */
  lua_CFunction end; /* makes of the body's results those of the function, in place; or NULL */
  bool failed;       /* the body raised: its error is on top of the frame */
  bool failed_first; /* before any task of the scope did */
} handle;

/* ---- the outcome ---- */

/* What the scope ended early by, when that is no error: nil, message, code. */
static int push_ended(lua_State *L, const handle *h, uint8_t end) {
  const char *code = end == KIO_SCOPE_DEADLINE ? "ETIMEDOUT" : "ECANCELED";
  lua_settop(L, SELF);
  if (end == KIO_SCOPE_DEADLINE) {
    lua_pushfstring(L, "%s: the deadline has passed", h->what);
  } else {
    lua_getiuservalue(L, SELF, 1); /* the reason */
    const char *reason = lua_isnil(L, -1) ? NULL : kio_traceback_push_text(L, -1);
    lua_pushfstring(L, reason ? "%s: cancelled: %s" : "%s: cancelled", h->what, reason);
  }
  lua_pushnil(L);
  lua_insert(L, -2);
  lua_pushstring(L, code);
  return KIO_FAILED;
}

/* Back to the scope outside; this one is over. */
static void leave(handle *h) {
  kio_scope *scope = &h->scope;
  scope->task->scope = scope->parent;
  kio_timer_stop(&h->sched->timers, &scope->timer);
  kio_scope_close(scope);
  kio_scope_let_go(h->sched->L, scope);
}

/* Tasks have failed, the body perhaps as well: then its error is on top. The first error is raised,
   the others go with it. */
static int raise_failure(lua_State *L, handle *h, bool body_failed) {
  kio_list *failures = &h->scope.failures;
  int err = lua_gettop(L);
  luaL_checkstack(L, 8, "too many results");
  if (body_failed) kio_traceback_push_running(L, err);
  if (body_failed && h->failed_first) {
    kio_traceback_attach_all(L, h->sched, -1, failures);
    lua_settop(L, err);
    return kio_traceback_raise_kept(L);
  }
  kio_traceback_take(L, h->sched, failures);
  if (body_failed) {
    lua_getiuservalue(L, -2, KIO_TASK_UV_TRACE);
    kio_traceback_attach(L, -2, "the body of its scope", err, -1);
    lua_pop(L, 1);
  }
  kio_traceback_attach_all(L, h->sched, -1, failures);
  return kio_traceback_raise_of(L, -1);
}

/* The body has returned, but not all of its tasks were let go on to their end. */
static int cut_short(lua_State *L, const handle *h) {
  switch (h->scope.end) {
  case KIO_SCOPE_DEADLINE: return push_ended(L, h, KIO_SCOPE_DEADLINE);
  case KIO_SCOPE_CANCEL: return lua_gettop(L) - HANDLER; /* somebody had enough of them */
  default: return kio_task_raise_cancelled(L);           /* from outside */
  }
}

static int finish(lua_State *L) {
  handle *h = lua_touserdata(L, SELF);
  uint8_t end = h->scope.end;
  bool cancelled = h->failed && luaL_testudata(L, -1, KIO_CANCELLED_TYPE);
  leave(h);
  if (!kio_list_empty(&h->scope.failures)) return raise_failure(L, h, h->failed && !cancelled);
  if (cancelled && (end == KIO_SCOPE_DEADLINE || end == KIO_SCOPE_CANCEL)) {
    return push_ended(L, h, end);
  }
  if (h->failed) return cancelled ? lua_error(L) : kio_traceback_raise_kept(L);
  if (h->scope.cut) return kio_op_at_once(L, cut_short(L, h));
  return kio_op_at_once(L, h->end ? h->end(L) : lua_gettop(L) - HANDLER);
}

/* ---- the body ---- */

static int wait_for_tasks(lua_State *L, handle *h);

static int l_tasks_endedk(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  return wait_for_tasks(L, lua_touserdata(L, SELF));
}

/* Until it has looked itself and seen no task left the scope is open: somebody may spawn into it
   after its last task has ended. */
static int wait_for_tasks(lua_State *L, handle *h) {
  kio_scope *scope = &h->scope;
  if (scope->live == 0) return finish(L);
  scope->waiting = true;
  kio_sched_end_daemons(scope);
  kio_task_says(scope->task, h->what, -1);
  return kio_task_park(L, scope->task, NULL, 0, l_tasks_endedk);
}

static int body_ended(lua_State *L, int status, lua_KContext ctx) {
  handle *h = lua_touserdata(L, SELF);
  (void)ctx;
  h->failed = status != LUA_OK && status != LUA_YIELD;
  if (!lua_checkstack(L, 8)) { /* its results have filled the stack */
    lua_settop(L, HANDLER);
    lua_pushliteral(L, "stack overflow");
    h->failed = true;
  }
  h->failed_first = kio_list_empty(&h->scope.failures);
  if (h->failed) kio_scope_cancel(&h->scope, KIO_SCOPE_FAILURE);
  return wait_for_tasks(L, h);
}

static void scope_due(kio_timer *timer) {
  kio_scope_cancel(KIO_CONTAINER(timer, kio_scope, timer), KIO_SCOPE_DEADLINE);
}

/* The body and its arguments are on the stack from 1: puts the rest of the frame below them. */
static handle *open_scope(lua_State *L, kio_task *task, const char *what, bool shield,
                          int64_t due_ns) {
  luaL_checkstack(L, 5, "too many arguments");
  handle *h = lua_newuserdatauv(L, sizeof *h, 1);
  *h = (handle){.tag = &scope_tag};
  kio_anchor_push_type(L, &task->sched->anchors.scope_type, SCOPE_TYPE);
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  int ref = kio_anchor(L); /* alive while it is open, also without its frame */
  lua_pushcfunction(L, kio_traceback_on_error);
  lua_rotate(L, SELF, HANDLER);
  h->sched = task->sched;
  h->what = what;
  kio_scope_open(&h->scope, task->scope, task, shield);
  h->scope.ref = ref;
  h->scope.co = L;
  h->scope.timer.due = scope_due;
  if (due_ns != KIO_NEVER && !kio_timer_start(&task->sched->timers, &h->scope.timer, due_ns)) {
    kio_scope_close(&h->scope);
    kio_scope_let_go(L, &h->scope);
    luaL_error(L, "not enough memory");
  }
  task->scope = &h->scope;
  return h;
}

static int run_body(lua_State *L) {
  int nargs = lua_gettop(L) - BODY;
  return body_ended(L, lua_pcallk(L, nargs, LUA_MULTRET, HANDLER, 0, body_ended), 0);
}

static int open_and_run(lua_State *L, kio_task *task, const char *what, bool shield,
                        int64_t due_ns) {
  open_scope(L, task, what, shield, due_ns);
  return run_body(L);
}

int kio_scope_run(lua_State *L, kio_task *task, lua_CFunction end) {
  open_scope(L, task, "kio.scope", false, KIO_NEVER)->end = end;
  lua_pushvalue(L, SELF);
  return run_body(L);
}

/* scope(f) -> f's results; f is called with the scope */
static int l_scope(lua_State *L) {
  kio_takes(L, 1);
  luaL_checktype(L, 1, LUA_TFUNCTION);
  kio_task *task = kio_op_begin_waiting(L);
  lua_settop(L, 1);
  return kio_scope_run(L, task, NULL);
}

int kio_scope_l_run(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  return open_and_run(L, kio_op_begin_waiting(L), "kio.thread", false, KIO_NEVER);
}

/* timeout(seconds, f, ...) -> f's results | nil, message, "ETIMEDOUT" */
static int l_timeout(lua_State *L) {
  int64_t ns = kio_check_seconds(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  kio_task *task = kio_op_begin_waiting(L);
  lua_remove(L, 1);
  return open_and_run(L, task, "kio.timeout", false, kio_sched_due(task->sched, ns));
}

/* deadline(at, f, ...): the same with a moment of kio.now's clock */
static int l_deadline(lua_State *L) {
  lua_Number at = luaL_checknumber(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  luaL_argcheck(L, at == at, 1, "a moment cannot be NaN");
  kio_task *task = kio_op_begin_waiting(L);
  lua_remove(L, 1);
  int64_t due = at <= 0 ? 0 : kio_seconds_to_ns(at);
  return open_and_run(L, task, "kio.deadline", false, due);
}

/* shield(f, ...) -> f's results; cancellation from outside waits until it has ended */
static int l_shield(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  kio_task *task = kio_op_begin_closing(L);
  return open_and_run(L, task, "kio.shield", true, KIO_NEVER);
}

/* ---- methods ---- */

static handle *check_scope(lua_State *L, int index) {
  handle *h = lua_touserdata(L, index);
  bool ours = h && lua_rawlen(L, index) == sizeof *h && h->tag == &scope_tag;
  if (!ours) luaL_typeerror(L, index, SCOPE_TYPE);
  return h;
}

kio_scope *kio_scope_check(lua_State *L, int index) {
  handle *h = check_scope(L, index);
  if (!h->scope.parent) luaL_error(L, "spawn: the scope has ended");
  return &h->scope;
}

/* scope:spawn(f, ...) -> task */
static int l_spawn(lua_State *L) {
  kio_scope *scope = kio_scope_check(L, 1);
  kio_op_task(L);
  kio_spawn(L, scope->task->sched, scope, 2);
  return 1;
}

/* scope:cancel([reason]): cancels its body and all its tasks */
static int l_cancel(lua_State *L) {
  handle *h = check_scope(L, 1);
  kio_takes(L, 2);
  if (!h->scope.parent) return 0;
  lua_settop(L, 2);
  if (h->scope.end == KIO_SCOPE_RUNS) lua_setiuservalue(L, 1, 1);
  kio_scope_cancel(&h->scope, KIO_SCOPE_CANCEL);
  return 0;
}

static int l_tostring(lua_State *L) {
  handle *h = check_scope(L, 1);
  const char *state = !h->scope.parent ? "ended" : h->scope.active ? "cancelled" : "open";
  lua_pushfstring(L, SCOPE_TYPE " (%s, %s, %d tasks)", h->what, state, (int)h->scope.live);
  return 1;
}

static const luaL_Reg methods[] = {
    {"spawn", l_spawn},
    {"cancel", l_cancel},
    {NULL, NULL},
};

const kio_type kio_scope_type = {.name = SCOPE_TYPE, .methods = {methods}, .tostring = l_tostring};

/* attach_failure(err, task): the error of a failed task goes with err, by which the caller ends */
static int l_attach_failure(lua_State *L) {
  kio_task *task = kio_task_check(L, 2);
  lua_settop(L, 2);
  kio_op_task(L);
  if (task->status != KIO_TASK_FAILED) return 0;
  kio_traceback_push_running(L, 1);
  kio_task_push_result(L, task, 0);
  lua_getiuservalue(L, 2, KIO_TASK_UV_TRACE);
  kio_traceback_attach(L, -3, "a task of its loop", -2, -1);
  return 0;
}

const luaL_Reg kio_scope_ops[] = {
    {"scope", l_scope},   {"timeout", l_timeout}, {"deadline", l_deadline},
    {"shield", l_shield}, {NULL, NULL},
};

const luaL_Reg kio_scope_own[] = {
    {"attach_failure", l_attach_failure},
    {NULL, NULL},
};
