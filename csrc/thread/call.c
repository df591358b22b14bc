/* Owns the counting and the one step that decides between beginning and withdrawing. */
#include "thread/call.h"

enum { PENDING, BEGUN, WITHDRAWN, ANSWERED };

void kio_call_init(kio_call *call, kio_inbox *origin) {
  atomic_init(&call->refs, 1);
  atomic_init(&call->state, PENDING);
  call->origin = kio_inbox_ref(origin);
}

void kio_call_ref(kio_call *call) {
  unsigned before = atomic_fetch_add(&call->refs, 1);
  kio_assert(before > 0);
}

void kio_call_unref(kio_call *call) {
  unsigned before = atomic_fetch_sub(&call->refs, 1);
  kio_assert(before > 0);
  if (before > 1) return;
  kio_parcel_free(&call->parcel);
  kio_inbox_unref(call->origin);
  kio_inbox_unref(call->target);
  call->free(call);
}

bool kio_call_withdraw(kio_call *call) {
  int expected = PENDING;
  return atomic_compare_exchange_strong(&call->state, &expected, WITHDRAWN);
}

void kio_call_ask_cancel(kio_call *call) {
  if (atomic_load(&call->state) != BEGUN) return; /* refused: its answer is on the way */
  kio_call_ref(call);
  if (!kio_inbox_post(call->target, &call->cancel)) kio_call_unref(call);
}

bool kio_call_begin(kio_call *call, kio_inbox *target, unsigned worker) {
  int expected = PENDING;
  kio_assert(!call->target && worker > 0);
  call->target = kio_inbox_ref(target); /* before: the origin reads it when it sees BEGUN */
  call->worker = worker;
  return atomic_compare_exchange_strong(&call->state, &expected, BEGUN);
}

void kio_call_answer(kio_call *call, kio_outcome outcome) {
  call->outcome = (uint8_t)outcome;
  int before = atomic_exchange(&call->state, ANSWERED);
  kio_assert(before == BEGUN || before == WITHDRAWN); /* and so it has not been answered */
  if (!kio_inbox_post(call->origin, &call->back)) kio_call_unref(call);
}
