/* Owns the counting and the one step that decides between beginning and withdrawing. */
#include "thread/call.h"

enum { PENDING, BEGUN, WITHDRAWN };

void kio_remote_init(kio_remote *remote, kio_inbox *origin) {
  atomic_init(&remote->refs, 1);
  atomic_init(&remote->state, PENDING);
  remote->origin = kio_inbox_ref(origin);
}

void kio_remote_ref(kio_remote *remote) {
  unsigned before = atomic_fetch_add(&remote->refs, 1);
  kio_assert(before > 0);
}

void kio_remote_unref(kio_remote *remote) {
  unsigned before = atomic_fetch_sub(&remote->refs, 1);
  kio_assert(before > 0);
  if (before > 1) return;
  kio_parcel_free(&remote->parcel);
  kio_inbox_unref(remote->origin);
  kio_inbox_unref(remote->target);
  remote->free(remote);
}

bool kio_remote_withdraw(kio_remote *remote) {
  int expected = PENDING;
  return atomic_compare_exchange_strong(&remote->state, &expected, WITHDRAWN);
}

void kio_remote_ask_cancel(kio_remote *remote) {
  if (atomic_load(&remote->state) != BEGUN) return; /* refused: its answer is on the way */
  kio_remote_ref(remote);
  if (!kio_inbox_post(remote->target, &remote->cancel)) kio_remote_unref(remote);
}

bool kio_remote_begin(kio_remote *remote, kio_inbox *target, unsigned worker) {
  int expected = PENDING;
  remote->target = kio_inbox_ref(target); /* before: the origin reads it when it sees BEGUN */
  remote->worker = worker;
  return atomic_compare_exchange_strong(&remote->state, &expected, BEGUN);
}

void kio_remote_answer(kio_remote *remote, kio_outcome outcome) {
  remote->outcome = (uint8_t)outcome;
  if (!kio_inbox_post(remote->origin, &remote->back)) kio_remote_unref(remote);
}
