/* Owns the life of a task: made ready, resumed, parked, woken, ended. Invariants: a WAITING task is
   woken exactly once per park; a parked coroutine has the mark on top of its stack, and nothing
   else ever does; a task that has ended is in no list. Called by the scheduler's thread only. */
#include "task/task.h"

#include "task/anchor.h"
#include "task/here.h"
#include "task/hook.h"
#include "task/member.h"
#include "task/result.h"
#include "task/sched_tree.h"
#include "task/scope.h"
#include "task/traceback.h"
#include "task/version.h"
#include "task/wait.h"

const char kio_task_parked_mark;

const char kio_task_awaiting[] = "await";

enum { BODY_TASK = 1, BODY_HANDLER, BODY_FUNCTION }; /* the stack of a task's base function */

/* ---- the base function of every task: a protected frame, so that `<close>` may yield ---- */

static int body_ended(lua_State *L, int status, lua_KContext ctx) {
  (void)ctx;
  kio_task_push_mark(L, status == LUA_OK || status == LUA_YIELD);
  lua_replace(L, BODY_HANDLER);
  return lua_gettop(L) - BODY_HANDLER + 1;
}

static int l_body(lua_State *L) {
  const kio_sched *sched = kio_sched_current();
  kio_task *task = sched ? sched->current : NULL;
  int nargs = lua_gettop(L) - BODY_FUNCTION;
  bool own = task && lua_touserdata(L, BODY_TASK) == task && nargs >= 0;
  if (!own) return luaL_error(L, "kio alone begins a task"); /* the debug library finds this */
  if (kio_task_is_cancelled(task)) { /* cancelled before it began: it never runs */
    lua_settop(L, 0);
    kio_task_push_mark(L, false);
    kio_task_push_cancelled(L);
    return 2;
  }
  return body_ended(L, lua_pcallk(L, nargs, LUA_MULTRET, BODY_HANDLER, 0, body_ended), 0);
}

/* ---- making ---- */

static void task_due(kio_timer *timer) {
  kio_task_interrupt(KIO_CONTAINER(timer, kio_task, timer), KIO_WAKE_TIMEOUT);
}

kio_task *kio_task_new(lua_State *L, kio_sched *sched, kio_scope *scope, int nargs) {
  int base = lua_gettop(L) - nargs; /* the function */
  kio_task *task = lua_newuserdatauv(L, sizeof *task, KIO_TASK_UV_COUNT);
  *task =
      (kio_task){.tag = &kio_task_tag, .sched = sched, .scope = &task->own, .timer.due = task_due};
  kio_queue_init(&task->waiters);
  kio_anchor_push_type(L, &sched->anchors.task_type, KIO_TASK_TYPE);
  lua_setmetatable(L, -2);
  lua_State *co = task->co = lua_newthread(L);
  lua_setiuservalue(L, -2, KIO_TASK_UV_CO);
  if (!lua_checkstack(co, nargs + BODY_FUNCTION + 1)) luaL_error(L, "too many arguments to a task");
  lua_pushvalue(L, -1);
  int ref = kio_anchor(L);
  lua_insert(L, base);
  lua_pushcfunction(co, l_body);
  lua_pushlightuserdata(co, task);
  lua_pushcfunction(co, kio_traceback_on_error);
  lua_xmove(L, co, nargs + 1);
  kio_list_push(&sched->tasks, &task->link);
  kio_scope_open(&task->own, scope, task, false);
  task->own.of_task = true;
  task->own.ref = ref;
  scope->live++;
  if (!task->own.active) sched->uncancelled++;
  task->id = (uint32_t)++sched->stats.spawned;
  kio_sched_ready(sched, task);
  return task;
}

kio_task *kio_task_check(lua_State *L, int index) {
  kio_task *task = kio_task_at(L, index);
  if (!task) luaL_typeerror(L, index, KIO_TASK_TYPE);
  return task;
}

/* ---- parking and waking ---- */

/* On an empty stack this looks at the frame's function, which is never the mark. */
static bool has_mark(lua_State *co) {
  return lua_touserdata(co, -1) == (const void *)&kio_task_parked_mark;
}

bool kio_task_is_parked(lua_State *co) {
  return lua_status(co) == LUA_YIELD && has_mark(co);
}

void kio_task_unpark(lua_State *co) {
  kio_assert(kio_task_is_parked(co));
  lua_pop(co, 1);
}

void kio_task_refuse_resume(lua_State *L) {
  luaL_error(L, "a coroutine that waits in an operation was resumed by a coroutine.resume that was "
                "taken before kio was loaded");
}

static int parkedk(lua_State *L, int status, lua_KContext ctx) {
  const kio_task *task = (const kio_task *)ctx; /* NOLINT: it was one when it went down */
  kio_task_check_resumed(L);
  return task->k(L, status, task->ctx);
}

int kio_task_park(lua_State *L, kio_task *task, kio_abandon_fn abandon, lua_KContext ctx,
                  lua_KFunction k) {
  kio_assert(task->sched->current == task && task->status == KIO_TASK_READY);
  task->status = KIO_TASK_WAITING;
  task->abandon = abandon;
  task->wake = KIO_WAKE_DONE;
  task->since_ns = task->sched->now_ns;
  task->k = k;
  task->ctx = ctx;
  /* An operation of several waits may have been cancelled between two of them. */
  if (kio_task_is_cancelled(task)) kio_task_interrupt(task, KIO_WAKE_CANCEL);
  return kio_task_yield_marked(L, (lua_KContext)task, parkedk);
}

void kio_task_cancel(kio_task *task) {
  if (kio_task_ended(task)) return;
  kio_scope_cancel(&task->own, KIO_SCOPE_CANCEL);
}

/* ---- running and ending ---- */

static void end(kio_task *task, kio_task_status status) {
  kio_assert(!kio_link_linked(&task->wait_link) && !kio_timer_started(&task->timer));
  kio_sched *sched = task->sched;
  kio_link_remove(&task->link);
  if (!task->own.active) sched->uncancelled--;
  sched->stats.ended++;
  task->status = (uint8_t)status;
  kio_sched_ended(sched, task);
  task->sched = NULL;
}

/* What the base function returned: a mark, then the results or the error. */
static void end_returned(kio_task *task, bool ok) {
  bool cancelled = !ok && task->own.active && luaL_testudata(task->co, 2, KIO_CANCELLED_TYPE);
  end(task, ok ? KIO_TASK_DONE : cancelled ? KIO_TASK_CANCELLED : KIO_TASK_FAILED);
}

#define FOREIGN                                                                   \
  "a task was yielded, resumed or closed by a function taken from the coroutine " \
  "library before kio was loaded"

/* The coroutine died without its base function: Lua's own trouble, or somebody else's yield. */
static void end_broken(lua_State *L, kio_task *task) {
  lua_State *co = task->co;
  kio_sched_forget_waits(task);
  kio_lua_close(co, L); /* leaves the error alone on the stack, or nothing after a yield */
  if (lua_gettop(co) == 0) lua_pushliteral(co, FOREIGN);
  kio_task_push_mark(co, false);
  lua_insert(co, 1);
  lua_settop(co, 2);
  end(task, KIO_TASK_FAILED);
}

/* What it waits for will wake it, or has done so already. A yield of somebody else's while it waits
   is found when it is woken: then the mark is missing. */
static bool has_parked(const kio_task *task) {
  return task->status == KIO_TASK_WAITING || kio_link_linked(&task->wait_link);
}

void kio_task_resume(lua_State *L, kio_task *task) {
  lua_State *co = task->co;
  kio_sched *sched = task->sched;
  int nresults, nargs = 0;
  kio_assert(task->status == KIO_TASK_READY && !sched->current);
  if (!task->started) nargs = lua_gettop(co) - 1;
  else if (has_mark(co)) lua_pop(co, 1);
  else return end_broken(L, task);
  task->started = true;
  sched->current = task;
  sched->leaf = co;
  if (sched->hooked) kio_hook_begin(sched);
  int status = lua_resume(co, L, nargs, &nresults);
  sched->current = NULL;
  sched->leaf = NULL;
  if (kio_task_ended(task)) return; /* a forked child gave it up, to run a loop of its own */
  if (sched->hooked) kio_hook_end(sched, task);
  bool ok;
  if (status == LUA_OK && kio_task_mark_of(co, &ok)) {
    end_returned(task, ok);
  } else if (status != LUA_YIELD || !has_parked(task)) {
    end_broken(L, task);
  }
}

/* ---- what it does ---- */

const char *kio_task_status_name(const kio_task *task) {
  static const char *const names[] = {"ready", "waiting", "done", "failed", "cancelled"};
  return names[task->status];
}

/* The frame just above the base function: the outermost but one. */
static bool outer_frame(lua_State *co, lua_Debug *frame) {
  int level = 0;
  while (lua_getstack(co, level, frame)) level++;
  return level >= 2 && lua_getstack(co, level - 2, frame);
}

void kio_task_push_function(lua_State *L, kio_task *task) {
  lua_Debug frame;
  lua_State *co = task->co;
  bool fresh = !task->started && lua_checkstack(co, 1);
  if (kio_task_ended(task)) {
    lua_pushnil(L);
  } else if (fresh) {
    lua_pushvalue(co, 1 + BODY_FUNCTION); /* below it, the base function that is yet to be called */
    lua_xmove(co, L, 1);
  } else if (outer_frame(co, &frame)) {
    lua_getinfo(L, "f", &frame); /* the frame tells whose it is */
  } else {
    lua_pushnil(L);
  }
}
