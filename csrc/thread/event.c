/* Owns the flag and the list of those who wait for it. Invariant, under the lock: nobody waits
   while it is set. */
#include "thread/event.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/memory.h"

struct kio_event {
  pthread_mutex_t lock;
  atomic_size_t refs; /* Lua states, and parcels it lies in */
  bool set;
  kio_list awaiters; /* kio_awaiter by link */
};

kio_event *kio_event_new(void) {
  kio_event *event = kio_memory_new(sizeof *event);
  if (!event) return NULL;
  pthread_mutex_init(&event->lock, NULL);
  atomic_init(&event->refs, 1);
  kio_list_init(&event->awaiters);
  return event;
}

kio_event *kio_event_ref(kio_event *event) {
  size_t before = atomic_fetch_add(&event->refs, 1);
  kio_assert(before > 0);
  return event;
}

void kio_event_unref(kio_event *event) {
  if (atomic_fetch_sub(&event->refs, 1) > 1) return;
  kio_assert(kio_list_empty(&event->awaiters));
  pthread_mutex_destroy(&event->lock);
  kio_memory_free(event);
}

void kio_event_set(kio_event *event) {
  kio_link *link;
  kio_inbox *sleeper = NULL;
  pthread_mutex_lock(&event->lock);
  event->set = true;
  while ((link = kio_list_pop(&event->awaiters))) {
    kio_awaiter_answer(KIO_CONTAINER(link, kio_awaiter, link), KIO_ANSWER_DONE, &sleeper);
  }
  pthread_mutex_unlock(&event->lock);
  kio_awaiter_wake(sleeper);
}

void kio_event_reset(kio_event *event) {
  pthread_mutex_lock(&event->lock);
  event->set = false;
  pthread_mutex_unlock(&event->lock);
}

bool kio_event_wait(kio_event *event, kio_awaiter *awaiter) {
  pthread_mutex_lock(&event->lock);
  bool set = event->set;
  if (!set && awaiter) kio_list_push(&event->awaiters, &awaiter->link);
  pthread_mutex_unlock(&event->lock);
  return set;
}

bool kio_event_leave(kio_event *event, kio_awaiter *awaiter) {
  pthread_mutex_lock(&event->lock);
  bool left = kio_awaiter_leave(awaiter);
  pthread_mutex_unlock(&event->lock);
  return left;
}
