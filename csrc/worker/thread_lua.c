/* kio.thread: packs a function and its arguments, spawns a task that hands them to a worker and
   waits for the answer. That task is what the user holds: it is cancelled, awaited and owned by a
   scope like any other, and its end means that the function has ended there. In a task only. */
#include <string.h>

#include "codec/pack.h"
#include "codec/wire.h"
#include "op/op.h"
#include "op/registry.h"
#include "run/task_lua.h"
#include "task/here.h"
#include "task/result.h"
#include "task/sched_inbox.h"
#include "task/scope.h"
#include "task/task.h"
#include "worker/call_out.h"

/* ---- waiting ---- */

static int l_waitk(lua_State *L, int status, lua_KContext ctx) {
  kio_call_out *out = (kio_call_out *)ctx; /* NOLINT: it was one when it went down */
  (void)status;
  kio_assert(!out->await.sched);
  return out->await.arrived ? kio_call_out_push_outcome(L, out) : kio_task_raise_cancelled(L);
}

/* ---- the way out ---- */

/* It has been sent: goes on in `k` when the answer has come. */
static int await(lua_State *L, kio_task *task, kio_call_out *out, lua_KFunction k) {
  return kio_await_park(L, task, &out->await, "thread", (lua_KContext)out, k);
}

static kio_runtime *runtime_of(const kio_task *task) {
  return task->sched->config.worker->runtime;
}

static void push_stopped(lua_State *L, unsigned worker) {
  if (worker == 0) lua_pushliteral(L, "kio.thread: the workers have stopped");
  else lua_pushfstring(L, "kio.thread: worker %d has stopped", (int)worker);
}

/* The body of the task: wait(anchor, worker) -> the function's results. */
static int l_wait(lua_State *L) {
  kio_call_out *out = kio_call_out_check(L, 1);
  unsigned worker = (unsigned)lua_tointeger(L, 2);
  kio_task *task = kio_op_begin(L);
  if (kio_call_out_send(runtime_of(task), out, worker)) return await(L, task, out, l_waitk);
  push_stopped(L, worker);
  return lua_error(L);
}

/* Pushes a call of the function at index 2 and the `count` - 1 arguments behind it, and the
   number of its worker. */
static void pack(lua_State *L, kio_sched *sched, int count, unsigned worker,
                 const kio_codec_limits *limits) {
  int err;
  kio_inbox *inbox = kio_sched_inbox(sched, &err);
  if (!inbox) luaL_error(L, "kio.thread: %s", strerror(-err));
  kio_assert(worker <= kio_runtime_count(sched->config.worker->runtime));
  kio_call_out *out = kio_call_out_new(L, inbox);
  if (!kio_codec_pack(L, 2, count, &out->in.call.parcel, limits)) lua_error(L);
  lua_pushinteger(L, worker);
}

/* How many values there are from index 2 on; the first one must be a function. */
static int check_call(lua_State *L) {
  luaL_checktype(L, 2, LUA_TFUNCTION);
  luaL_checkstack(L, 8, "too many arguments");
  return lua_gettop(L) - 1;
}

/* A task for the function at index 2 and the arguments behind it, `count` values. */
static int spawn(lua_State *L, kio_task *task, int count, unsigned worker,
                 const kio_codec_limits *limits) {
  lua_pushcfunction(L, l_wait);
  pack(L, task->sched, count, worker, limits);
  kio_spawn(L, task->sched, kio_scope_owner(task->scope), lua_gettop(L) - 2);
  return 1;
}

static kio_task *begin(lua_State *L) {
  kio_task *task = kio_op_task(L);
  if (kio_task_is_cancelled(task)) kio_op_begin_waiting(L); /* raises */
  return task;
}

/* thread_spawn(f, ...) -> task, on any worker */
static int l_thread_spawn(lua_State *L) {
  kio_task *task = begin(L);
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_pushnil(L);
  lua_insert(L, 1);
  return spawn(L, task, check_call(L), 0, NULL);
}

/* The number of a worker at index 1. */
static unsigned check_worker(lua_State *L, const kio_task *task) {
  lua_Integer id = luaL_checkinteger(L, 1);
  unsigned count = kio_runtime_count(runtime_of(task));
  if (id < 1 || id > (lua_Integer)count) {
    luaL_argerror(
        L, 1,
        lua_pushfstring(L, "there is no worker %I: there are %d", (LUAI_UACINT)id, (int)count));
  }
  return (unsigned)id;
}

/* thread_spawn_on(i, f, ...) -> task, on worker i */
static int l_thread_spawn_on(lua_State *L) {
  kio_task *task = begin(L);
  unsigned worker = check_worker(L, task);
  return spawn(L, task, check_call(L), worker, NULL);
}

/* thread_each(f, ...) -> list of tasks, one on each worker */
static int l_thread_each(lua_State *L) {
  static const kio_codec_limits copies = {KIO_PARCEL_MAX, KIO_WIRE_DEPTH_MAX, "arg", true};
  kio_task *task = begin(L);
  luaL_checktype(L, 1, LUA_TFUNCTION);
  unsigned workers = kio_runtime_count(runtime_of(task));
  lua_createtable(L, (int)workers, 0);
  lua_insert(L, 1);
  int count = check_call(L);
  for (unsigned i = 1; i <= workers; i++) {
    spawn(L, task, count, i, &copies);
    lua_rawseti(L, 1, i);
  }
  lua_settop(L, 1);
  return 1;
}

/* ---- a call ---- */

static int stopped(lua_State *L, unsigned worker) {
  lua_pushnil(L);
  push_stopped(L, worker);
  return 2;
}

static int l_callk(lua_State *L, int status, lua_KContext ctx) {
  kio_call_out *out = (kio_call_out *)ctx; /* NOLINT: it was one when it went down */
  (void)status;
  kio_assert(!out->await.sched);
  if (!out->await.arrived) return kio_task_raise_cancelled(L);
  if (kio_call_out_lost(out)) return stopped(L, (unsigned)lua_tointeger(L, 2));
  lua_pushboolean(L, true);
  return 1 + kio_call_out_push_outcome(L, out);
}

/* thread_call(i, f, ...) -> true, its results | nil, message: that worker has stopped. As spawn_on
   and await, in the running task. */
static int l_thread_call(lua_State *L) {
  kio_task *task = kio_op_begin(L);
  unsigned worker = check_worker(L, task);
  pack(L, task->sched, check_call(L), worker, NULL);
  lua_replace(L, 2);
  lua_replace(L, 1);
  lua_settop(L, 2);
  kio_call_out *out = kio_call_out_check(L, 1);
  if (!kio_call_out_send(runtime_of(task), out, worker)) return stopped(L, worker);
  return await(L, task, out, l_callk);
}

/* thread_copies(f) -> nil when f can be sent to several workers, else why not */
static int l_thread_copies(lua_State *L) {
  static const kio_codec_limits limits = {KIO_PARCEL_MAX, KIO_WIRE_DEPTH_MAX, "handler", true};
  kio_parcel parcel;
  if (!kio_codec_pack(L, 1, 1, &parcel, &limits)) return 1;
  kio_parcel_free(&parcel);
  return 0;
}

/* thread_count() -> how many workers this run has */
static int l_thread_count(lua_State *L) {
  kio_takes(L, 0);
  const kio_sched *sched = kio_op_task(L)->sched;
  lua_pushinteger(L, kio_runtime_count(sched->config.worker->runtime));
  return 1;
}

/* thread_id() -> the number of the worker that runs this */
static int l_thread_id(lua_State *L) {
  kio_takes(L, 0);
  lua_pushinteger(L, kio_op_task(L)->sched->config.worker->id);
  return 1;
}

/* stop(): asks the whole run to end, from whichever worker */
static int l_stop(lua_State *L) {
  kio_sched *sched = kio_op_task(L)->sched;
  int err;
  if (!kio_sched_inbox(sched, &err)) return luaL_error(L, "kio.stop: %s", strerror(-err));
  if (kio_runtime_ask_stop(sched->config.worker->runtime)) return 0;
  return luaL_error(L, "kio.stop: a runtime is stopped by who made it: runtime:stop()");
}

const luaL_Reg kio_thread_ops[] = {
    {"stop", l_stop},
    {NULL, NULL},
};

const luaL_Reg kio_thread_own[] = {
    {"thread_spawn", l_thread_spawn},   {"thread_spawn_on", l_thread_spawn_on},
    {"thread_each", l_thread_each},     {"thread_call", l_thread_call},
    {"thread_copies", l_thread_copies}, {"thread_count", l_thread_count},
    {"thread_id", l_thread_id},         {NULL, NULL},
};
