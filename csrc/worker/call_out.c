/* The origin's end of a call, as far as tasks and callers without a loop share it: its memory, the
   way out and the outcome. Invariant: only what cannot be withdrawn is asked to end. The origin's
   thread only. */
#include "worker/call_out.h"

#include "base/memory.h"
#include "op/op.h"
#include "task/result.h"
#include "worker/outcome.h"

static kio_call_out *out_of(kio_await *await) {
  return KIO_CONTAINER(await, kio_call_out, await);
}

/* ---- the wait ---- */

bool kio_call_out_give_up(kio_call_out *out) {
  kio_assert(!out->await.arrived);
  if (kio_call_withdraw(&out->in.call)) return true;
  if (!out->asked) kio_call_ask_cancel(&out->in.call);
  out->asked = true;
  return false;
}

static bool give_up(kio_await *await) {
  return kio_call_out_give_up(out_of(await));
}

static void release(kio_await *await) {
  kio_call_unref(&out_of(await)->in.call);
}

static const kio_await_kind await_kind = {.mutual = true, .give_up = give_up, .release = release};

static void back_drop(kio_post *post) {
  kio_call_unref(KIO_CONTAINER(post, kio_call, back));
}

static void back_arrive(kio_post *post, void *sched) {
  (void)sched;
  kio_await_arrive(&KIO_CONTAINER(post, kio_call_out, in.call.back)->await);
  back_drop(post);
}

/* ---- the way out ---- */

static void out_free(kio_call *call) {
  kio_memory_free(KIO_CONTAINER(call, kio_call_out, in.call));
}

kio_call_out *kio_call_out_check(lua_State *L, int index) {
  return out_of(kio_await_check(L, index, &await_kind));
}

kio_call_out *kio_call_out_new(lua_State *L, kio_inbox *inbox) {
  kio_await **anchor = kio_await_push_anchor(L);
  kio_call_out *out = kio_memory_new(sizeof *out);
  if (!out) {
    luaL_error(L, "not enough memory");
    return NULL;
  }
  kio_call_init(&out->in.call, inbox);
  out->in.call.back = (kio_post){.arrive = back_arrive, .drop = back_drop};
  out->in.call.free = out_free;
  kio_call_in_init(&out->in);
  kio_await_init(&out->await, &await_kind, anchor);
  return out;
}

/* The reference of `go` goes with it. */
bool kio_call_out_send(kio_runtime *runtime, kio_call_out *out, unsigned worker) {
  kio_assert(out->await.anchor && !out->await.sched);
  kio_call_ref(&out->in.call);
  bool sent = worker == 0
                  ? kio_runtime_offer(runtime, &out->in.call.go)
                  : kio_inbox_post(kio_runtime_worker(runtime, worker)->inbox, &out->in.call.go);
  if (!sent) kio_call_unref(&out->in.call);
  return sent;
}

/* ---- the outcome ---- */

bool kio_call_out_lost(const kio_call_out *out) {
  kio_assert(out->await.arrived);
  return !out->asked && out->in.call.outcome == KIO_OUTCOME_LOST;
}

int kio_call_out_push_outcome(lua_State *L, kio_call_out *out) {
  kio_call *call = &out->in.call;
  unsigned worker = call->worker;
  kio_assert(out->await.arrived);
  char where[32];
  switch (call->outcome) {
  case KIO_OUTCOME_DONE:
  case KIO_OUTCOME_FAILED:
    snprintf(where, sizeof where, "worker %u", worker);
    return kio_outcome_push(L, call->outcome, &call->parcel, where);
  case KIO_OUTCOME_CANCELLED: return kio_task_raise_cancelled(L);
  case KIO_OUTCOME_MEMORY:
    return luaL_error(L, "kio.thread: not enough memory on worker %d", (int)worker);
  default:
    if (out->asked) return kio_task_raise_cancelled(L);
    if (worker == 0)
      return luaL_error(L, "kio.thread: the workers stopped before they had begun it");
    return luaL_error(L, "kio.thread: worker %d stopped before the function had ended",
                      (int)worker);
  }
}
