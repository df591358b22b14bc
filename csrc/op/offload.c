/* Owns nothing; see op/offload.h. Invariant: an offload has a task exactly while that waits in it,
   and then it is among the scheduler's members and its `expected`. The scheduler's thread only, but
   for the work itself. */
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

#define OFFLOAD_TYPE "kio.Offload"

/* ---- on its way back ---- */

static kio_offload *offload_of(kio_job *job) {
  return KIO_CONTAINER(job, kio_offload, job);
}

static void forget(kio_offload *offload) {
  offload->task = NULL;
}

/* Its task waits no longer. */
static void settle(kio_offload *offload) {
  if (!offload->task) return;
  kio_sched_leave(&offload->member);
  kio_sched_expect_no_more(offload->task->sched, false);
  forget(offload);
}

/* The scheduler ends, and with it the task. */
static void detach(kio_member *member) {
  kio_offload *offload = KIO_CONTAINER(member, kio_offload, member);
  kio_assert(offload->task);
  kio_job_withdraw(&offload->job);
  forget(offload);
}

static void arrive(kio_post *post, void *sched) {
  kio_offload *offload = offload_of(KIO_CONTAINER(post, kio_job, post));
  kio_task *task = offload->task;
  kio_assert(!offload->arrived); /* once for each start */
  (void)sched;
  offload->arrived = true;
  settle(offload);
  if (task) kio_task_wake(task);
  kio_job_unref(&offload->job);
}

static void drop(kio_post *post) {
  kio_job_unref(KIO_CONTAINER(post, kio_job, post));
}

/* ---- anchors ---- */

/* The frame is gone. A task that waits all the same has lost its coroutine: it is woken to end. */
static void end(void *self) {
  kio_offload **anchor = self, *offload = *anchor;
  *anchor = NULL;
  if (!offload) return;
  kio_task *task = offload->task;
  if (task) kio_job_withdraw(&offload->job);
  settle(offload);
  if (task) kio_task_wake(task);
  kio_job_unref(&offload->job);
}

const kio_type kio_offload_type = {.name = OFFLOAD_TYPE, .end = end};

kio_offload *kio_offload_check(lua_State *L, int index) {
  kio_offload *offload = *(kio_offload **)luaL_checkudata(L, index, OFFLOAD_TYPE);
  luaL_argcheck(L, offload, index, "it has ended");
  return offload;
}

void kio_offload_end(kio_offload *offload) {
  kio_assert(!offload->task && *offload->anchor == offload);
  *offload->anchor = NULL;
  kio_job_unref(&offload->job);
}

/* ---- down ---- */

void *kio_offload_new(lua_State *L, kio_task *task, const kio_offload_kind *kind) {
  int err;
  kio_offload **anchor = lua_newuserdatauv(L, sizeof *anchor, 0);
  *anchor = NULL;
  luaL_setmetatable(L, OFFLOAD_TYPE);
  kio_inbox *inbox = kio_sched_inbox(task->sched, &err);
  kio_offload *offload = inbox ? kio_memory_new(kind->size) : NULL;
  if (!offload) {
    kio_fail(L, inbox ? ENOMEM : -err, kind->name, kind->subject);
    return NULL;
  }
  kio_job_init(&offload->job, inbox);
  offload->job.post = (kio_post){.arrive = arrive, .drop = drop};
  offload->job.name = kind->name;
  offload->job.work = kind->work;
  offload->job.free = kind->free;
  offload->job.lane = (uint8_t)kind->lane;
  offload->job.patient = kind->patient;
  offload->subject = kind->subject;
  offload->anchor = anchor;
  return *anchor = offload;
}

static int refuse(lua_State *L, kio_offload *offload, int err) {
  kio_fail(L, -err, offload->job.name, offload->subject);
  kio_offload_end(offload);
  return KIO_FAILED;
}

static void abandon(kio_task *task) {
  kio_offload *offload = task->subject;
  kio_job_withdraw(&offload->job);
  settle(offload);
  kio_task_wake(task);
}

int kio_offload_reserve(kio_sched *sched, kio_offload *offload, bool wait) {
  int err;
  kio_pool *pool = kio_sched_pool(sched, &err);
  if (!err) err = kio_pool_reserve(pool, &offload->job);
  if (err != -EAGAIN || !wait) return err;
  err = kio_pool_reserve_later(pool, &offload->job);
  return err ? err : -EAGAIN;
}

int kio_offload_start(kio_sched *sched, kio_offload *offload) {
  int err;
  kio_pool *pool = kio_sched_pool(sched, &err);
  offload->arrived = false;
  return err ? err : kio_pool_submit(pool, &offload->job);
}

static void await(kio_task *task, kio_offload *offload) {
  kio_assert(!offload->task);
  offload->task = task;
  offload->member.detach = detach;
  kio_sched_join(task->sched, &offload->member);
  kio_sched_expect(task->sched, false);
  task->subject = offload;
  kio_task_says(task, offload->job.name, -1);
}

void kio_offload_hold(kio_task *task, kio_offload *offload) {
  await(task, offload);
  kio_task_hold(task, abandon);
}

int kio_offload_wait(lua_State *L, kio_task *task, kio_offload *offload, int64_t timeout_ns,
                     lua_KFunction k) {
  kio_sched *sched = task->sched;
  if (offload->arrived) return k(L, LUA_OK, (lua_KContext)offload);
  if (!kio_sched_timer(sched, task, kio_sched_due(sched, timeout_ns))) {
    kio_job_withdraw(&offload->job);
    return refuse(L, offload, -ENOMEM);
  }
  await(task, offload);
  return kio_task_park(L, task, abandon, (lua_KContext)offload, k);
}

int kio_offload_submit(lua_State *L, kio_task *task, kio_offload *offload, int64_t timeout_ns,
                       lua_KFunction k) {
  int err = kio_offload_start(task->sched, offload);
  return err ? refuse(L, offload, err) : kio_offload_wait(L, task, offload, timeout_ns, k);
}

/* ---- up ---- */

int kio_offload_result(lua_State *L, kio_offload *offload) {
  const kio_task *task = kio_sched_current()->current;
  kio_assert(!offload->task);
  if (offload->arrived) return offload->job.queued ? ECANCELED : 0;
  if (task->wake == KIO_WAKE_CANCEL) {
    kio_offload_end(offload);
    return kio_task_raise_cancelled(L);
  }
  kio_assert(task->wake == KIO_WAKE_TIMEOUT);
  return ETIMEDOUT;
}
