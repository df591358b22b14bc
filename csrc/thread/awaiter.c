/* Owns nothing. Invariant: an awaiter is in a list only while it has no answer. Any thread, under
   the lock of the one that lists it. */
#include "thread/awaiter.h"

bool kio_awaiter_answer(kio_awaiter *awaiter, kio_answer answer, kio_inbox **sleeper) {
  bool asleep;
  kio_assert(!kio_link_linked(&awaiter->link) && awaiter->answer == KIO_ANSWER_NONE);
  kio_inbox *inbox = kio_inbox_ref(awaiter->inbox); /* the awaiter may be gone once it is told */
  awaiter->answer = (uint8_t)answer;
  bool told = kio_inbox_put(inbox, &awaiter->post, &asleep);
  if (!told) awaiter->answer = KIO_ANSWER_NONE;
  if (told && asleep && !*sleeper) {
    *sleeper = inbox;
    return true;
  }
  if (told && asleep) kio_inbox_wake(inbox);
  kio_inbox_unref(inbox);
  return told;
}

void kio_awaiter_wake(kio_inbox *sleeper) {
  if (!sleeper) return;
  kio_inbox_wake(sleeper);
  kio_inbox_unref(sleeper);
}

bool kio_awaiter_leave(kio_awaiter *awaiter) {
  if (kio_link_linked(&awaiter->link)) kio_link_remove(&awaiter->link);
  return awaiter->answer == KIO_ANSWER_NONE;
}
