/* The origin's end of a remote, and kio.thread: packs a function and its arguments, spawns a task
   that hands them to a worker and waits for the answer. That task is what the user holds: it is
   cancelled, awaited and owned by a scope like any other, and its end means that the function has
   ended over there. Invariant: an errand has a waiter exactly while a task waits for it, and then
   it is among the scheduler's members and its `expected`. The origin's thread only. */
#include <string.h>

#include "config.h"
#include "lua_remote.h"
#include "lua_spawn.h"
#include "memory.h"
#include "op.h"
#include "ops.h"
#include "trace.h"

#define ERRAND_TYPE "kio.Errand"

/* ---- the way back ---- */

/* Its task waits no longer. */
static void settle(kio_errand *errand) {
  if (!errand->waiter) return;
  kio_sched_leave(&errand->waits);
  errand->waiter->sched->expected--;
  errand->waiter = NULL;
}

static void detach(kio_member *member) {
  KIO_CONTAINER(member, kio_errand, waits)->waiter = NULL;
}

static void back_arrive(kio_post *post, void *sched) {
  kio_errand *errand = KIO_CONTAINER(post, kio_errand, remote.back);
  kio_task *waiter = errand->waiter;
  (void)sched;
  errand->arrived = true;
  settle(errand);
  if (waiter) kio_task_wake(waiter);
  kio_remote_unref(&errand->remote);
}

static void back_drop(kio_post *post) {
  kio_remote_unref(KIO_CONTAINER(post, kio_remote, back));
}

/* ---- anchors ---- */

static void errand_free(kio_remote *remote) {
  kio_memory_free(KIO_CONTAINER(remote, kio_errand, remote));
}

/* Nobody is interested any more. */
static bool call_off(kio_errand *errand) {
  if (kio_remote_withdraw(&errand->remote)) return true;
  if (!errand->asked) kio_remote_ask_cancel(&errand->remote);
  errand->asked = true;
  return false;
}

/* The frame is gone. A task that waits all the same has lost its coroutine: it is woken to end. */
static int l_gc(lua_State *L) {
  kio_errand **anchor = luaL_checkudata(L, 1, ERRAND_TYPE);
  kio_errand *errand = *anchor;
  *anchor = NULL;
  if (!errand) return 0;
  kio_task *waiter = errand->waiter;
  if (waiter) call_off(errand);
  settle(errand);
  if (waiter) kio_task_wake(waiter);
  kio_remote_unref(&errand->remote);
  return 0;
}

static kio_errand *new_errand(lua_State *L, kio_sched *sched) {
  int err;
  kio_inbox *inbox = kio_sched_inbox(sched, &err);
  kio_errand **anchor = lua_newuserdatauv(L, sizeof *anchor, 0);
  *anchor = NULL;
  luaL_setmetatable(L, ERRAND_TYPE);
  kio_errand *errand = inbox ? kio_memory_new(sizeof *errand) : NULL;
  if (!errand) {
    luaL_error(L, "kio.thread: %s", inbox ? "not enough memory" : strerror(-err));
    return NULL;
  }
  kio_remote_init(&errand->remote, inbox);
  errand->remote.back = (kio_post){.arrive = back_arrive, .drop = back_drop};
  errand->remote.free = errand_free;
  errand->waits.detach = detach;
  kio_errand_prepare(errand);
  return *anchor = errand;
}

/* ---- the outcome ---- */

static int raise_sent(lua_State *L, kio_errand *errand) {
  char where[32];
  int count = kio_codec_unpack(L, &errand->remote.parcel);
  if (count < 0) return lua_error(L);
  snprintf(where, sizeof where, "worker %u", errand->remote.worker);
  lua_insert(L, -2); /* the error above its traceback */
  return kio_trace_raise_sent(L, -2, where);
}

static int push_outcome(lua_State *L, kio_errand *errand) {
  int count;
  unsigned worker = errand->remote.worker;
  switch (errand->remote.outcome) {
  case KIO_OUTCOME_DONE:
    count = kio_codec_unpack(L, &errand->remote.parcel);
    return count < 0 ? lua_error(L) : count;
  case KIO_OUTCOME_FAILED: return raise_sent(L, errand);
  case KIO_OUTCOME_CANCELLED:
    if (errand->asked) return kio_task_raise_cancelled(L);
    return luaL_error(L, "kio.thread: the function was cancelled on worker %d", (int)worker);
  case KIO_OUTCOME_MEMORY:
    return luaL_error(L, "kio.thread: not enough memory on worker %d", (int)worker);
  default:
    if (errand->asked) return kio_task_raise_cancelled(L);
    return luaL_error(L, "kio.thread: the worker stopped before the function had ended");
  }
}

static int l_waitk(lua_State *L, int status, lua_KContext ctx) {
  kio_errand *errand = (kio_errand *)ctx; /* NOLINT: it was one when it went down */
  (void)status;
  kio_assert(!errand->waiter);
  return errand->arrived ? push_outcome(L, errand) : kio_task_raise_cancelled(L);
}

/* ---- the way out ---- */

static void abandon(kio_task *task) {
  kio_errand *errand = task->subject;
  if (!call_off(errand)) return; /* the answer will end the wait */
  settle(errand);
  kio_task_wake(task);
}

/* Worker 0: any. The reference of `go` goes with it. */
static bool send_off(kio_runtime *runtime, kio_errand *errand, unsigned worker) {
  kio_remote_ref(&errand->remote);
  bool sent = worker == 0
                  ? kio_runtime_inject(runtime, &errand->remote.go)
                  : kio_inbox_post(kio_runtime_worker(runtime, worker)->inbox, &errand->remote.go);
  if (!sent) kio_remote_unref(&errand->remote);
  return sent;
}

/* The body of the task: wait(anchor, worker) -> the function's results. */
static int l_wait(lua_State *L) {
  kio_errand *errand = *(kio_errand **)luaL_checkudata(L, 1, ERRAND_TYPE);
  unsigned worker = (unsigned)lua_tointeger(L, 2);
  kio_task *task = kio_op_begin(L);
  kio_sched *sched = task->sched;
  if (!send_off(sched->config.worker->runtime, errand, worker)) {
    return luaL_error(L, "kio.thread: worker %d has stopped", (int)worker);
  }
  errand->waiter = task;
  kio_sched_join(sched, &errand->waits);
  sched->expected++;
  task->subject = errand;
  kio_task_says(task, "thread", -1);
  return kio_task_park(L, task, abandon, (lua_KContext)errand, l_waitk);
}

/* A task for the function at index 2 and the arguments behind it. */
static int spawn(lua_State *L, kio_task *task, unsigned worker) {
  int count = lua_gettop(L) - 1;
  luaL_checktype(L, 2, LUA_TFUNCTION);
  luaL_checkstack(L, 8, "too many arguments");
  lua_pushcfunction(L, l_wait);
  kio_errand *errand = new_errand(L, task->sched);
  if (!kio_codec_pack(L, 2, count, &errand->remote.parcel, NULL)) return lua_error(L);
  lua_pushinteger(L, worker);
  kio_spawn(L, task->sched, kio_scope_owner(task->scope), lua_gettop(L) - 2);
  return 1;
}

static kio_task *begin(lua_State *L) {
  kio_task *task = kio_op_task(L);
  if (kio_task_is_cancelled(task)) kio_op_begin(L); /* raises */
  return task;
}

/* thread_spawn(f, ...) -> task, on any worker */
static int l_thread_spawn(lua_State *L) {
  kio_task *task = begin(L);
  lua_pushnil(L);
  lua_insert(L, 1);
  return spawn(L, task, 0);
}

/* thread_spawn_on(i, f, ...) -> task, on worker i */
static int l_thread_spawn_on(lua_State *L) {
  kio_task *task = begin(L);
  lua_Integer id = luaL_checkinteger(L, 1);
  unsigned count = kio_runtime_count(task->sched->config.worker->runtime);
  if (id < 1 || id > (lua_Integer)count) {
    luaL_argerror(
        L, 1,
        lua_pushfstring(L, "there is no worker %I: there are %d", (LUAI_UACINT)id, (int)count));
  }
  return spawn(L, task, (unsigned)id);
}

/* thread_count() -> how many workers this run has */
static int l_thread_count(lua_State *L) {
  const kio_sched *sched = kio_op_task(L)->sched;
  lua_pushinteger(L, kio_runtime_count(sched->config.worker->runtime));
  return 1;
}

/* thread_id() -> the number of the worker that runs this */
static int l_thread_id(lua_State *L) {
  lua_pushinteger(L, kio_op_task(L)->sched->config.worker->id);
  return 1;
}

/* stop(): asks the whole run to end, from whichever worker */
static int l_stop(lua_State *L) {
  kio_sched *sched = kio_op_task(L)->sched;
  int err;
  if (!kio_sched_inbox(sched, &err)) return luaL_error(L, "kio.stop: %s", strerror(-err));
  kio_runtime_ask_stop(sched->config.worker->runtime);
  return 0;
}

void kio_thread_open(lua_State *L) {
  luaL_newmetatable(L, ERRAND_TYPE);
  lua_pushcfunction(L, l_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
}

const luaL_Reg kio_thread_ops[] = {
    {"thread_spawn", l_thread_spawn},
    {"thread_spawn_on", l_thread_spawn_on},
    {"thread_count", l_thread_count},
    {"thread_id", l_thread_id},
    {"stop", l_stop},
    {NULL, NULL},
};
