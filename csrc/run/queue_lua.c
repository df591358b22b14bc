/* The wait queue as Lua sees it, and what else kio.sync needs from C: the one primitive below its
   mutexes, events and channels, and no part of the public interface.
   A waiting task may offer a value, its cell; who wakes it takes the cell and puts another value in
   its place, which the wait returns. The cell lies in a user value of the task. */
#include <limits.h>

#include "op/op.h"
#include "op/registry.h"
#include "task/here.h"
#include "task/queue.h"
#include "task/result.h"
#include "task/task.h"
#include "task/traceback.h"
#include "task/wait.h"

#define QUEUE_TYPE "kio.Queue"
#define CHOICE_TYPE "kio.Choice"

typedef struct handle {
  kio_waitable base;
  const void *tag;  /* &queue_tag: a kio.Queue and nothing else */
  const char *what; /* what its tasks wait for, for people: a constant */
} handle;

static const char queue_tag;

static kio_waitable *to_waitable(lua_State *L, int index) {
  kio_waitable *waitable = lua_touserdata(L, index);
  bool ours = waitable && lua_rawlen(L, index) >= sizeof *waitable;
  return ours && waitable->tag == &kio_waitable_tag ? waitable : NULL;
}

static handle *check_queue(lua_State *L) {
  handle *h = lua_touserdata(L, 1);
  bool ours = h && lua_rawlen(L, 1) == sizeof *h && h->tag == &queue_tag;
  if (!ours) luaL_typeerror(L, 1, QUEUE_TYPE);
  return h;
}

/* ---- cells ---- */

/* Pops a value into the task's cell. */
static void set_cell(lua_State *L, kio_task *task) {
  kio_task_push(L, task);
  lua_insert(L, -2);
  lua_setiuservalue(L, -2, KIO_TASK_UV_CELL);
  lua_pop(L, 1);
}

/* Pushes the running task's cell and empties it. */
static void take_cell(lua_State *L, kio_task *task) {
  kio_task_push(L, task);
  lua_getiuservalue(L, -1, KIO_TASK_UV_CELL);
  lua_pushnil(L);
  lua_setiuservalue(L, -3, KIO_TASK_UV_CELL);
  lua_remove(L, -2);
}

/* ---- waiting ---- */

/* Nanoseconds from the seconds at `index`, nil: for ever. */
static int64_t opt_seconds(lua_State *L, int index) {
  return lua_isnoneornil(L, index) ? KIO_NEVER : kio_check_seconds(L, index);
}

/* Below the top lies what a success returns first: adds the cell. */
static int finish_wait(lua_State *L) {
  kio_task *task = kio_sched_current()->current;
  take_cell(L, task);
  if (task->wake == KIO_WAKE_CANCEL) return kio_task_raise_cancelled(L);
  if (task->wake == KIO_WAKE_DONE) return 2;
  lua_pushnil(L);
  return 1;
}

static int l_waitk(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  lua_pushboolean(L, true);
  return finish_wait(L);
}

/* queue:wait([seconds [, cell]]) -> true, what the waker gave | nil: the time is over */
static int l_wait(lua_State *L) {
  handle *h = check_queue(L);
  int64_t timeout = opt_seconds(L, 2);
  kio_task *task = kio_op_begin_waiting(L);
  lua_settop(L, 3);
  kio_op_timer(L, task, timeout);
  set_cell(L, task);
  kio_queue_push(&h->base.queue, task);
  kio_task_says(task, h->what, -1);
  return kio_task_park(L, task, kio_queue_abandon, 0, l_waitk);
}

/* queue:wait_shielded() -> true, what the waker gave; also in a cancelled task, and not to be ended
   by a cancellation */
static int l_wait_shielded(lua_State *L) {
  handle *h = check_queue(L);
  kio_task *task = kio_op_begin_closing(L);
  kio_queue_push(&h->base.queue, task);
  kio_task_says(task, h->what, -1);
  return kio_task_park(L, task, NULL, 0, l_waitk);
}

/* ---- waking ---- */

/* queue:wake([given]) -> the task that has waited longest, its cell | nil: nobody waits */
static int l_wake(lua_State *L) {
  int which;
  handle *h = check_queue(L);
  lua_settop(L, 2);
  kio_task *task = kio_queue_wake(&h->base.queue, &which);
  if (!task) return 0;
  kio_task_push(L, task);
  int type = lua_getiuservalue(L, -1, KIO_TASK_UV_CELL);
  if (which >= 0 && type == LUA_TTABLE) lua_rawgeti(L, -1, which + 1); /* a cell per alternative */
  lua_replace(L, 1);
  lua_settop(L, 3);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, 3, KIO_TASK_UV_CELL);
  lua_pushvalue(L, 1);
  return 2;
}

/* queue:empty() -> whether nobody waits */
static int l_empty(lua_State *L) {
  const handle *h = check_queue(L);
  lua_pushboolean(L, kio_queue_empty(&h->base.queue));
  return 1;
}

/* queue:length() -> how many wait */
static int l_length(lua_State *L) {
  const handle *h = check_queue(L);
  lua_Integer length = 0;
  KIO_LIST_EACH(&h->base.queue.waiters, link) length++;
  lua_pushinteger(L, length);
  return 1;
}

/* ---- waiting in several ---- */

/* Entry `i` of the list at index 1: a kio.Queue, a watch, or a task, whose end is waited for. */
static kio_queue *queue_at(lua_State *L, lua_Integer i) {
  lua_rawgeti(L, 1, i);
  kio_waitable *waitable = to_waitable(L, -1);
  kio_queue *queue = waitable ? &waitable->queue : NULL;
  kio_task *task = queue ? NULL : kio_task_at(L, -1);
  lua_pop(L, 1);
  luaL_argcheck(L, queue || (task && !kio_task_ended(task)), 1, "queues and living tasks expected");
  return queue ? queue : &task->waiters;
}

static size_t check_list(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_Unsigned count = lua_rawlen(L, 1);
  luaL_argcheck(L, count > 0 && count < INT_MAX / sizeof(kio_waiter), 1, "nothing to wait for");
  return (size_t)count;
}

static int l_wait_anyk(lua_State *L, int status, lua_KContext ctx) {
  kio_choice *choice = (kio_choice *)ctx; /* NOLINT: it is on this frame */
  (void)status;
  lua_pushinteger(L, choice->winner + 1);
  return finish_wait(L);
}

/* wait_any(list of queues, watches, listeners and tasks [, seconds [, list of cells]]) -> which of
   them woke this task, what the waker gave | nil: the time is over */
static int l_wait_any(lua_State *L) {
  size_t count = check_list(L);
  int64_t timeout = opt_seconds(L, 2);
  kio_task *task = kio_op_begin_waiting(L);
  lua_settop(L, 3);
  kio_choice *choice = lua_newuserdatauv(L, sizeof *choice + count * sizeof(kio_waiter), 0);
  choice->task = NULL; /* nothing that can raise comes after the first push */
  luaL_setmetatable(L, CHOICE_TYPE);
  for (size_t i = 1; i <= count; i++) queue_at(L, (lua_Integer)i);
  kio_op_timer(L, task, timeout);
  lua_pushvalue(L, 3);
  set_cell(L, task);
  kio_choice_open(choice, task, (int)count);
  for (int i = 0; i < choice->count; i++) kio_choice_push(choice, i, queue_at(L, i + 1));
  kio_task_says(task, "select", -1);
  return kio_task_park(L, task, kio_queue_abandon, (lua_KContext)choice, l_wait_anyk);
}

/* ---- the running task ---- */

/* checkpoint() -> the running task, whether what needs no waiting must be followed by let_turn;
   raises like an operation: outside tasks, and Cancelled */
static int l_checkpoint(lua_State *L) {
  kio_task *task = kio_op_begin_waiting(L);
  kio_task_push(L, task);
  if (kio_sched_spend(task->sched)) return 1;
  lua_pushboolean(L, kio_sched_is_spent(task->sched));
  return 2;
}

/* let_turn(): the loop turns; raises nothing, for what was taken before must reach the caller */
static int l_let_turn(lua_State *L) {
  return kio_op_let_turn(L, 0);
}

/* at_once(): an operation written in Lua has come to something at once, perhaps outside of a task:
   the loop turns when it is time; raises Cancelled */
static int l_at_once(lua_State *L) {
  if (kio_op_running(L)) kio_op_begin_lightly(L);
  return 0;
}

/* done_at_once(): the same for what must not be refused to a cancelled task: raises nothing */
static int l_done_at_once(lua_State *L) {
  return kio_op_done_at_once(L, 0);
}

/* current() -> the running task | nil outside tasks */
static int l_current(lua_State *L) {
  const kio_sched *sched = kio_sched_current();
  if (!sched || !sched->current) return 0;
  kio_task_push(L, sched->current);
  return 1;
}

/* task_result(task) -> the results of a task that has ended; raises its error */
static int l_task_result(lua_State *L) {
  kio_task *task = kio_task_check(L, 1);
  luaL_argcheck(L, kio_task_ended(task), 1, "the task has not ended");
  if (task->status != KIO_TASK_DONE) return kio_traceback_raise_of(L, 1);
  return kio_task_push_results(L, task);
}

/* ---- making ---- */

/* Its finalizers wake who waits: that happens when the coroutine that held the queue was closed by
   a function that was taken from Lua before kio was loaded, or at the end of the state. */
static void end(void *self) {
  handle *h = self;
  kio_queue_wake_all(&h->base.queue);
}

static void end_choice(void *self) {
  kio_choice_fini(self);
}

/* queue(what) -> an empty queue; `what` tells what its tasks wait for */
static int l_queue(lua_State *L) {
  static const char *const names[] = {"mutex",           "semaphore", "condition",
                                      "event",           "waitgroup", "channel send",
                                      "channel receive", "pool",      NULL};
  const char *what = names[luaL_checkoption(L, 1, NULL, names)];
  handle *h = lua_newuserdatauv(L, sizeof *h, 0);
  h->tag = &queue_tag;
  h->what = what;
  kio_waitable_init(&h->base);
  luaL_setmetatable(L, QUEUE_TYPE);
  return 1;
}

static const luaL_Reg methods[] = {
    {"wait", l_wait},     {"wait_shielded", l_wait_shielded},
    {"wake", l_wake},     {"empty", l_empty},
    {"length", l_length}, {NULL, NULL},
};

const kio_type kio_queue_type = {.name = QUEUE_TYPE, .methods = {methods}, .end = end};
const kio_type kio_choice_type = {.name = CHOICE_TYPE, .end = end_choice};

const luaL_Reg kio_queue_own[] = {
    {"queue", l_queue},     {"wait_any", l_wait_any},         {"checkpoint", l_checkpoint},
    {"current", l_current}, {"task_result", l_task_result},   {"let_turn", l_let_turn},
    {"at_once", l_at_once}, {"done_at_once", l_done_at_once}, {NULL, NULL},
};
