/* Owns nothing; see op/offload.h. Invariant: a call has a task exactly while that waits in it, and
   then it is among the scheduler's members and its `expected`. The scheduler's thread only, but for
   the work itself. */
#include "op/offload.h"

#include <errno.h>

#include "base/memory.h"
#include "op/registry.h"
#include "task/here.h"
#include "task/member.h"
#include "task/result.h"
#include "task/sched_inbox.h"
#include "task/task.h"
#include "task/wait.h"

#define CALL_TYPE "kio.Call"

/* ---- on its way back ---- */

static kio_call *call_of(kio_job *job) {
  return KIO_CONTAINER(job, kio_call, job);
}

static void forget(kio_call *call) {
  call->task = NULL;
}

/* Its task waits no longer. */
static void settle(kio_call *call) {
  if (!call->task) return;
  kio_sched_leave(&call->member);
  kio_sched_expect_no_more(call->task->sched, false);
  forget(call);
}

/* The scheduler ends, and with it the task. */
static void detach(kio_member *member) {
  kio_call *call = KIO_CONTAINER(member, kio_call, member);
  kio_assert(call->task);
  kio_job_withdraw(&call->job);
  forget(call);
}

static void arrive(kio_post *post, void *sched) {
  kio_call *call = call_of(KIO_CONTAINER(post, kio_job, post));
  kio_task *task = call->task;
  kio_assert(!call->arrived); /* once for each start */
  (void)sched;
  call->arrived = true;
  settle(call);
  if (task) kio_task_wake(task);
  kio_job_unref(&call->job);
}

static void drop(kio_post *post) {
  kio_job_unref(KIO_CONTAINER(post, kio_job, post));
}

/* ---- anchors ---- */

/* The frame is gone. A task that waits all the same has lost its coroutine: it is woken to end. */
static void end(void *self) {
  kio_call **anchor = self, *call = *anchor;
  *anchor = NULL;
  if (!call) return;
  kio_task *task = call->task;
  if (task) kio_job_withdraw(&call->job);
  settle(call);
  if (task) kio_task_wake(task);
  kio_job_unref(&call->job);
}

const kio_type kio_call_type = {.name = CALL_TYPE, .end = end};

kio_call *kio_call_check(lua_State *L, int index) {
  kio_call *call = *(kio_call **)luaL_checkudata(L, index, CALL_TYPE);
  luaL_argcheck(L, call, index, "it has ended");
  return call;
}

void kio_call_end(kio_call *call) {
  kio_assert(!call->task && *call->anchor == call);
  *call->anchor = NULL;
  kio_job_unref(&call->job);
}

/* ---- down ---- */

void *kio_call_new(lua_State *L, kio_task *task, const kio_call_kind *kind) {
  int err;
  kio_call **anchor = lua_newuserdatauv(L, sizeof *anchor, 0);
  *anchor = NULL;
  luaL_setmetatable(L, CALL_TYPE);
  kio_inbox *inbox = kio_sched_inbox(task->sched, &err);
  kio_call *call = inbox ? kio_memory_new(kind->size) : NULL;
  if (!call) {
    kio_fail(L, inbox ? ENOMEM : -err, kind->name, kind->subject);
    return NULL;
  }
  kio_job_init(&call->job, inbox);
  call->job.post = (kio_post){.arrive = arrive, .drop = drop};
  call->job.name = kind->name;
  call->job.work = kind->work;
  call->job.free = kind->free;
  call->job.lane = (uint8_t)kind->lane;
  call->job.patient = kind->patient;
  call->subject = kind->subject;
  call->anchor = anchor;
  return *anchor = call;
}

static int refuse(lua_State *L, kio_call *call, int err) {
  kio_fail(L, -err, call->job.name, call->subject);
  kio_call_end(call);
  return KIO_FAILED;
}

static void abandon(kio_task *task) {
  kio_call *call = task->subject;
  kio_job_withdraw(&call->job);
  settle(call);
  kio_task_wake(task);
}

int kio_call_reserve(kio_sched *sched, kio_call *call, bool wait) {
  int err;
  kio_pool *pool = kio_sched_pool(sched, &err);
  if (!err) err = kio_pool_reserve(pool, &call->job);
  if (err != -EAGAIN || !wait) return err;
  err = kio_pool_reserve_later(pool, &call->job);
  return err ? err : -EAGAIN;
}

int kio_call_start(kio_sched *sched, kio_call *call) {
  int err;
  kio_pool *pool = kio_sched_pool(sched, &err);
  call->arrived = false;
  return err ? err : kio_pool_submit(pool, &call->job);
}

static void await(kio_task *task, kio_call *call) {
  kio_assert(!call->task);
  call->task = task;
  call->member.detach = detach;
  kio_sched_join(task->sched, &call->member);
  kio_sched_expect(task->sched, false);
  task->subject = call;
  kio_task_says(task, call->job.name, -1);
}

void kio_call_hold(kio_task *task, kio_call *call) {
  await(task, call);
  kio_task_hold(task, abandon);
}

int kio_call_wait(lua_State *L, kio_task *task, kio_call *call, int64_t timeout_ns,
                  lua_KFunction k) {
  kio_sched *sched = task->sched;
  if (call->arrived) return k(L, LUA_OK, (lua_KContext)call);
  if (!kio_sched_timer(sched, task, kio_sched_due(sched, timeout_ns))) {
    kio_job_withdraw(&call->job);
    return refuse(L, call, -ENOMEM);
  }
  await(task, call);
  return kio_task_park(L, task, abandon, (lua_KContext)call, k);
}

int kio_call_submit(lua_State *L, kio_task *task, kio_call *call, int64_t timeout_ns,
                    lua_KFunction k) {
  int err = kio_call_start(task->sched, call);
  return err ? refuse(L, call, err) : kio_call_wait(L, task, call, timeout_ns, k);
}

/* ---- up ---- */

int kio_call_result(lua_State *L, kio_call *call) {
  const kio_task *task = kio_sched_current()->current;
  kio_assert(!call->task);
  if (call->arrived) return call->job.queued ? ECANCELED : 0;
  if (task->wake == KIO_WAKE_CANCEL) {
    kio_call_end(call);
    return kio_task_raise_cancelled(L);
  }
  kio_assert(task->wake == KIO_WAKE_TIMEOUT);
  return ETIMEDOUT;
}
