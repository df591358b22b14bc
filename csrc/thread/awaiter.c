/* Owns nothing. Invariant: an awaiter is in a list only while it has no answer. Any thread, under
   the lock of the one that lists it. */
#include "thread/awaiter.h"

void kio_awaiter_list(kio_awaiter *awaiter, kio_list *list, pthread_mutex_t *lock) {
  kio_assert(awaiter->answer == KIO_ANSWER_NONE);
  awaiter->lock = lock;
  kio_list_push(list, &awaiter->link);
}

kio_awaiter *kio_awaiter_pop(kio_list *list) {
  kio_link *link = kio_list_pop(list);
  kio_awaiter *first = link ? KIO_CONTAINER(link, kio_awaiter, link) : NULL;
  kio_assert(!first || first->answer == KIO_ANSWER_NONE);
  return first;
}

bool kio_awaiter_answer(kio_awaiter *awaiter, kio_answer answer, kio_inbox **sleeper) {
  bool asleep;
  kio_assert(!kio_link_linked(&awaiter->link) && awaiter->answer == KIO_ANSWER_NONE);
  kio_inbox *inbox = kio_inbox_ref(awaiter->inbox); /* the awaiter may be gone once it is posted */
  awaiter->answer = (uint8_t)answer;
  bool posted = kio_inbox_put(inbox, &awaiter->post, &asleep);
  if (!posted) awaiter->answer = KIO_ANSWER_NONE;
  if (posted && asleep && !*sleeper) {
    *sleeper = inbox;
    return true;
  }
  if (posted && asleep) kio_inbox_wake(inbox);
  kio_inbox_unref(inbox);
  return posted;
}

void kio_awaiter_answer_all(kio_list *list, kio_answer answer, kio_inbox **sleeper) {
  kio_awaiter *awaiter;
  while ((awaiter = kio_awaiter_pop(list))) kio_awaiter_answer(awaiter, answer, sleeper);
}

void kio_awaiter_wake(kio_inbox *sleeper) {
  if (!sleeper) return;
  kio_inbox_wake(sleeper);
  kio_inbox_unref(sleeper);
}

bool kio_awaiter_leave(kio_awaiter *awaiter) {
  kio_assert(awaiter->lock);
  pthread_mutex_lock(awaiter->lock);
  if (kio_link_linked(&awaiter->link)) kio_link_remove(&awaiter->link);
  bool left = awaiter->answer == KIO_ANSWER_NONE;
  pthread_mutex_unlock(awaiter->lock);
  return left;
}
