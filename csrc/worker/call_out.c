/* The origin's half of a remote, as far as tasks and plain callers share it: its memory, the way
   out and the outcome. Invariant: an errand has a waiter exactly while a task waits for it, and
   then it is among the scheduler's members, its `expected` and its `mutual`. The origin's thread
   only. */
#include "worker/call_out.h"

#include "base/memory.h"
#include "codec/unpack.h"
#include "op/op.h"
#include "op/registry.h"
#include "task/member.h"
#include "task/result.h"
#include "task/sched_inbox.h"
#include "task/traceback.h"
#include "task/wait.h"

#define ERRAND_TYPE "kio.Errand"

/* ---- the way back ---- */

void kio_errand_settle(kio_errand *errand) {
  if (!errand->waiter) return;
  kio_sched_leave(&errand->waits);
  kio_sched_expect_no_more(errand->waiter->sched, true);
  errand->waiter = NULL;
}

static void detach(kio_member *member) {
  KIO_CONTAINER(member, kio_errand, waits)->waiter = NULL;
}

void kio_errand_await(kio_errand *errand, kio_task *task) {
  errand->waiter = task;
  errand->waits.detach = detach;
  kio_sched_join(task->sched, &errand->waits);
  kio_sched_expect(task->sched, true);
}

static void back_arrive(kio_post *post, void *sched) {
  kio_errand *errand = KIO_CONTAINER(post, kio_errand, remote.back);
  kio_task *waiter = errand->waiter;
  (void)sched;
  errand->arrived = true;
  kio_errand_settle(errand);
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

bool kio_errand_call_off(kio_errand *errand) {
  if (kio_remote_withdraw(&errand->remote)) return true;
  if (!errand->asked) kio_remote_ask_cancel(&errand->remote);
  errand->asked = true;
  return false;
}

/* The frame is gone. A task that waits all the same has lost its coroutine: it is woken to end. */
static void end(void *self) {
  kio_errand **anchor = self, *errand = *anchor;
  *anchor = NULL;
  if (!errand) return;
  kio_task *waiter = errand->waiter;
  if (waiter) kio_errand_call_off(errand);
  kio_errand_settle(errand);
  if (waiter) kio_task_wake(waiter);
  kio_remote_unref(&errand->remote);
}

const kio_type kio_errand_type = {.name = ERRAND_TYPE, .end = end};

kio_errand *kio_errand_check(lua_State *L, int index) {
  kio_errand *errand = *(kio_errand **)luaL_checkudata(L, index, ERRAND_TYPE);
  luaL_argcheck(L, errand, index, "it was finalized");
  return errand;
}

kio_errand *kio_errand_new(lua_State *L, kio_inbox *inbox) {
  kio_errand **anchor = lua_newuserdatauv(L, sizeof *anchor, 0);
  *anchor = NULL;
  luaL_setmetatable(L, ERRAND_TYPE);
  kio_errand *errand = kio_memory_new(sizeof *errand);
  if (!errand) {
    luaL_error(L, "not enough memory");
    return NULL;
  }
  kio_remote_init(&errand->remote, inbox);
  errand->remote.back = (kio_post){.arrive = back_arrive, .drop = back_drop};
  errand->remote.free = errand_free;
  kio_errand_prepare(errand);
  return *anchor = errand;
}

/* The reference of `go` goes with it. */
bool kio_errand_send(kio_runtime *runtime, kio_errand *errand, unsigned worker) {
  kio_remote_ref(&errand->remote);
  bool sent = worker == 0
                  ? kio_runtime_offer(runtime, &errand->remote.go)
                  : kio_inbox_post(kio_runtime_worker(runtime, worker)->inbox, &errand->remote.go);
  if (!sent) kio_remote_unref(&errand->remote);
  return sent;
}

/* ---- the outcome ---- */

static int raise_sent(lua_State *L, kio_errand *errand) {
  char where[32];
  int count = kio_codec_unpack(L, &errand->remote.parcel);
  if (count < 0) return lua_error(L);
  snprintf(where, sizeof where, "worker %u", errand->remote.worker);
  lua_insert(L, -2); /* the error above its traceback */
  return kio_traceback_raise_sent(L, -2, where);
}

bool kio_errand_lost(const kio_errand *errand) {
  return !errand->asked && errand->remote.outcome == KIO_OUTCOME_LOST;
}

int kio_errand_push_outcome(lua_State *L, kio_errand *errand) {
  int count;
  unsigned worker = errand->remote.worker;
  switch (errand->remote.outcome) {
  case KIO_OUTCOME_DONE:
    count = kio_codec_unpack(L, &errand->remote.parcel);
    return count < 0 ? lua_error(L) : count;
  case KIO_OUTCOME_FAILED: return raise_sent(L, errand);
  case KIO_OUTCOME_CANCELLED: return kio_task_raise_cancelled(L);
  case KIO_OUTCOME_MEMORY:
    return luaL_error(L, "kio.thread: not enough memory on worker %d", (int)worker);
  default:
    if (errand->asked) return kio_task_raise_cancelled(L);
    if (worker == 0)
      return luaL_error(L, "kio.thread: the workers stopped before they had begun it");
    return luaL_error(L, "kio.thread: worker %d stopped before the function had ended",
                      (int)worker);
  }
}
