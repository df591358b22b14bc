/* Owns nothing; see op/offload.h. The scheduler's thread only, but for the work itself. */
#include "op/offload.h"

#include <errno.h>

#include "base/memory.h"
#include "task/here.h"
#include "task/result.h"
#include "task/sched_inbox.h"
#include "task/task.h"

/* ---- the wait ---- */

static kio_offloaded *offload_of(kio_await *await) {
  return KIO_CONTAINER(await, kio_offloaded, await);
}

/* One that has begun is left to end by itself. */
static bool give_up(kio_await *await) {
  kio_job_withdraw(&offload_of(await)->job);
  return true;
}

static void release(kio_await *await) {
  kio_job_unref(&offload_of(await)->job);
}

static const kio_await_kind await_kind = {.give_up = give_up, .release = release};

static void drop(kio_post *post) {
  kio_job_unref(KIO_CONTAINER(post, kio_job, post));
}

static void arrive(kio_post *post, void *sched) {
  (void)sched;
  kio_await_arrive(&KIO_CONTAINER(post, kio_offloaded, job.post)->await);
  drop(post);
}

kio_offloaded *kio_offload_check(lua_State *L, int index) {
  return offload_of(kio_await_check(L, index, &await_kind));
}

void kio_offload_end(kio_offloaded *offload) {
  kio_await_end(&offload->await);
}

/* ---- down ---- */

void *kio_offload_new(lua_State *L, kio_task *task, const kio_offload_kind *kind) {
  int err;
  kio_await **anchor = kio_await_push_anchor(L);
  kio_inbox *inbox = kio_sched_inbox(task->sched, &err);
  kio_offloaded *offload = inbox ? kio_memory_new(kind->size) : NULL;
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
  offload->due_ns = KIO_NEVER;
  kio_await_init(&offload->await, &await_kind, anchor);
  return offload;
}

static int refuse(lua_State *L, kio_offloaded *offload, int err) {
  kio_fail(L, -err, offload->job.name, offload->subject);
  kio_offload_end(offload);
  return KIO_FAILED;
}

int kio_offload_reserve(kio_sched *sched, kio_offloaded *offload, bool wait) {
  int err;
  kio_pool *pool = kio_sched_pool(sched, &err);
  if (!err) err = kio_pool_reserve(pool, &offload->job);
  if (err != -EAGAIN || !wait) return err;
  err = kio_pool_reserve_later(pool, &offload->job);
  return err ? err : -EAGAIN;
}

int kio_offload_start(kio_sched *sched, kio_offloaded *offload) {
  int err;
  kio_pool *pool = kio_sched_pool(sched, &err);
  offload->await.arrived = false;
  return err ? err : kio_pool_submit(pool, &offload->job);
}

void kio_offload_hold(kio_task *task, kio_offloaded *offload) {
  kio_await_hold(task, &offload->await, offload->job.name);
}

int kio_offload_wait(lua_State *L, kio_task *task, kio_offloaded *offload, lua_KFunction k) {
  if (offload->await.arrived) return k(L, LUA_OK, (lua_KContext)offload);
  if (!kio_sched_timer(task->sched, task, offload->due_ns)) {
    kio_job_withdraw(&offload->job);
    return refuse(L, offload, -ENOMEM);
  }
  const char *what = offload->job.name;
  return kio_await_park(L, task, &offload->await, what, (lua_KContext)offload, k);
}

static int start_and_wait(lua_State *L, kio_task *task, kio_offloaded *offload, lua_KFunction k) {
  int err = kio_offload_start(task->sched, offload);
  return err ? refuse(L, offload, err) : kio_offload_wait(L, task, offload, k);
}

int kio_offload_submit(lua_State *L, kio_task *task, kio_offloaded *offload, int64_t timeout_ns,
                       lua_KFunction k) {
  offload->due_ns = kio_sched_due(task->sched, timeout_ns);
  return start_and_wait(L, task, offload, k);
}

int kio_offload_again(lua_State *L, kio_offloaded *offload, lua_KFunction k) {
  kio_assert(!offload->again);
  offload->again = true;
  return start_and_wait(L, kio_sched_current()->current, offload, k);
}

/* ---- up ---- */

int kio_offload_result(lua_State *L, kio_offloaded *offload) {
  const kio_task *task = kio_sched_current()->current;
  kio_assert(!offload->await.sched);
  if (offload->await.arrived) return offload->job.queued ? ECANCELED : 0;
  if (task->wake == KIO_WAKE_CANCEL) {
    kio_offload_end(offload);
    return kio_task_raise_cancelled(L);
  }
  kio_assert(task->wake == KIO_WAKE_TIMEOUT);
  return ETIMEDOUT;
}
