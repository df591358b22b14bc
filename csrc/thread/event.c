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

void *kio_event_ref(void *object) {
  kio_event *event = object;
  size_t before = atomic_fetch_add(&event->refs, 1);
  kio_assert(before > 0);
  return event;
}

void kio_event_unref(void *object) {
  kio_event *event = object;
  size_t before = atomic_fetch_sub(&event->refs, 1);
  kio_assert(before > 0);
  if (before > 1) return;
  kio_assert(kio_list_empty(&event->awaiters));
  pthread_mutex_destroy(&event->lock);
  kio_memory_free(event);
}

void kio_event_set(kio_event *event) {
  kio_inbox *sleeper = NULL;
  pthread_mutex_lock(&event->lock);
  event->set = true;
  kio_awaiter_answer_all(&event->awaiters, KIO_ANSWER_DONE, &sleeper);
  kio_assert(kio_list_empty(&event->awaiters));
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
  kio_assert(!set || kio_list_empty(&event->awaiters));
  if (!set && awaiter) kio_awaiter_list(awaiter, &event->awaiters, &event->lock);
  pthread_mutex_unlock(&event->lock);
  return set;
}
