/* The target's end of a call: runs a function that came from another worker in a task of its own,
   in a scope of its own, and sends its outcome back. Invariant: a call that was begun is among
   the scheduler's members until it has been answered, and is answered once. The target's thread
   only. */
#include "worker/call_in.h"

#include "codec/unpack.h"
#include "op/op.h"
#include "run/scope_lua.h"
#include "task/here.h"
#include "task/member.h"
#include "task/result.h"
#include "task/sched_tree.h"
#include "task/task.h"
#include "worker/outcome.h"

static kio_call_in *in_of(kio_call *call) {
  return KIO_CONTAINER(call, kio_call_in, call);
}

/* ---- its outcome ---- */

static kio_outcome pack_results(lua_State *L, kio_task *task, kio_parcel *parcel) {
  int count = kio_task_result_count(task), first = lua_gettop(L) + 1;
  if (lua_checkstack(L, 2 * count + 32)) { /* packing takes as much again */
    for (int i = 0; i < count; i++) kio_task_push_result(L, task, i);
    return kio_outcome_pack_results(L, first, parcel);
  }
  lua_pushliteral(L, "too many results");
  lua_pushnil(L);
  return kio_outcome_pack_error(L, parcel);
}

static kio_outcome pack_error(lua_State *L, kio_task *task, kio_parcel *parcel) {
  kio_task_push(L, task);
  int self = lua_gettop(L);
  kio_task_push_result(L, task, 0);
  lua_getiuservalue(L, self, KIO_TASK_UV_TRACE);
  return kio_outcome_pack_error(L, parcel);
}

/* What a function comes to that its worker has cut off. A worker that broke down is missed by those
   who asked it; at the end of the run all that is under way is cancelled, here and there. */
static kio_outcome cut_off(const kio_sched *sched) {
  bool broken =
      sched->config.serves && (sched->end.trouble || !kio_list_empty(&sched->root.failures));
  return broken ? KIO_OUTCOME_LOST : KIO_OUTCOME_CANCELLED;
}

/* pack(in) -> outcome */
static int l_pack(lua_State *L) {
  kio_call_in *in = lua_touserdata(L, 1);
  kio_task *task = in->task;
  kio_parcel *parcel = &in->call.parcel;
  kio_assert(task && kio_task_ended(task));
  kio_parcel_free(parcel);
  kio_outcome outcome = cut_off(task->sched);
  if (task->status == KIO_TASK_DONE) outcome = pack_results(L, task, parcel);
  if (task->status == KIO_TASK_FAILED) outcome = pack_error(L, task, parcel);
  lua_pushinteger(L, outcome);
  return 1;
}

static kio_outcome outcome_of(lua_State *L, kio_call_in *in) {
  kio_outcome outcome = KIO_OUTCOME_MEMORY;
  if (!lua_checkstack(L, 4)) return outcome;
  lua_pushcfunction(L, l_pack);
  lua_pushlightuserdata(L, in);
  if (lua_pcall(L, 1, 1, 0) == LUA_OK) outcome = (kio_outcome)lua_tointeger(L, -1);
  lua_pop(L, 1);
  return outcome;
}

static void finish(kio_call_in *in, kio_outcome outcome) {
  kio_assert(in->task);
  in->task = NULL;
  kio_call_answer(&in->call, outcome);
}

static void task_ended(kio_on_end *end, kio_task *task) {
  kio_call_in *in = KIO_CONTAINER(end, kio_call_in, end);
  if (!kio_ring_alive(&task->sched->ring)) return; /* a forked child's: the worker tells of it */
  task->handled = true;                            /* whoever asked is told, and nobody else */
  kio_assert(in->task == task && kio_link_linked(&in->runs.link));
  kio_sched_leave(&in->runs);
  finish(in, outcome_of(task->sched->L, in));
}

/* The scheduler ends before the task has. */
static void detach(kio_member *member) {
  finish(KIO_CONTAINER(member, kio_call_in, runs), KIO_OUTCOME_LOST);
}

/* ---- its task ---- */

static int l_runk(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  return lua_gettop(L) - (int)ctx;
}

/* The body of the task: run(in) -> the function's results. */
static int l_run(lua_State *L) {
  kio_call_in *in = lua_touserdata(L, 1);
  lua_pushcfunction(L, kio_scope_l_run);
  int count = kio_codec_unpack(L, &in->call.parcel);
  if (count < 0) return lua_error(L);
  lua_callk(L, count, LUA_MULTRET, 1, l_runk);
  return l_runk(L, LUA_OK, 1);
}

/* begin(in, sched): makes the task */
static int l_begin(lua_State *L) {
  kio_call_in *in = lua_touserdata(L, 1);
  kio_sched *sched = lua_touserdata(L, 2);
  lua_pushcfunction(L, l_run);
  lua_pushlightuserdata(L, in);
  in->task = kio_task_new(L, sched, &sched->root, 1);
  return 0;
}

static void begin(kio_call_in *in, kio_sched *sched) {
  lua_State *L = sched->L;
  kio_assert(!in->task);
  lua_pushcfunction(L, l_begin);
  lua_pushlightuserdata(L, in);
  lua_pushlightuserdata(L, sched);
  if (lua_pcall(L, 2, 0, 0) != LUA_OK) {
    lua_pop(L, 1);
    kio_call_answer(&in->call, KIO_OUTCOME_MEMORY);
    return;
  }
  kio_assert(in->task && !in->task->on_end);
  in->task->on_end = &in->end;
  kio_sched_join(sched, &in->runs);
  kio_sched_make_daemon(in->task); /* the run goes on for the task that waits for this one */
}

/* ---- what comes in ---- */

static void go_arrive(kio_post *post, void *context) {
  kio_call *call = KIO_CONTAINER(post, kio_call, go);
  kio_sched *sched = context;
  if (!kio_call_begin(call, sched->door.inbox, sched->config.worker->id)) {
    kio_call_unref(call);
  } else if (sched->root.active) {
    kio_call_answer(call, cut_off(sched));
  } else if (!lua_checkstack(sched->L, 4)) {
    kio_call_answer(call, KIO_OUTCOME_MEMORY);
  } else {
    begin(in_of(call), sched);
  }
}

/* Nobody begins it: its origin is told, unless it has withdrawn it. */
static void go_drop(kio_post *post) {
  kio_call *call = KIO_CONTAINER(post, kio_call, go);
  if (kio_call_withdraw(call)) kio_call_answer(call, KIO_OUTCOME_LOST);
  else kio_call_unref(call);
}

static void cancel_arrive(kio_post *post, void *sched) {
  kio_call *call = KIO_CONTAINER(post, kio_call, cancel);
  (void)sched;
  if (in_of(call)->task) kio_task_cancel(in_of(call)->task);
  kio_call_unref(call);
}

static void cancel_drop(kio_post *post) {
  kio_call_unref(KIO_CONTAINER(post, kio_call, cancel));
}

static const kio_member_kind membership = {.detach = detach};

void kio_call_in_init(kio_call_in *in) {
  in->call.go = (kio_post){.arrive = go_arrive, .drop = go_drop};
  in->call.cancel = (kio_post){.arrive = cancel_arrive, .drop = cancel_drop};
  in->end.ended = task_ended;
  in->runs.kind = &membership;
}
