/* Owns the heap's array. Invariant: heap[i] is due no later than its children 2i+1 and 2i+2, and
   heap[i]->place is i + 1. Called by the scheduler's thread only. */
#include "base/timer.h"

#include "base/memory.h"

enum { TIMERS_FIRST_ROOM = 16 };

void kio_timers_init(kio_timers *timers) {
  *timers = (kio_timers){0};
}

void kio_timers_fini(kio_timers *timers) {
  kio_memory_free(timers->heap);
  *timers = (kio_timers){0};
}

static bool before(const kio_timer *a, const kio_timer *b) {
  return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static void put(kio_timers *timers, size_t i, kio_timer *timer) {
  timers->heap[i] = timer;
  timer->place = i + 1;
}

static void sift_up(kio_timers *timers, size_t i, kio_timer *timer) {
  while (i > 0 && before(timer, timers->heap[(i - 1) / 2])) {
    put(timers, i, timers->heap[(i - 1) / 2]);
    i = (i - 1) / 2;
  }
  put(timers, i, timer);
}

static void sift_down(kio_timers *timers, size_t i, kio_timer *timer) {
  for (;;) {
    size_t child = 2 * i + 1;
    if (child >= timers->count) break;
    if (child + 1 < timers->count && before(timers->heap[child + 1], timers->heap[child])) child++;
    if (!before(timers->heap[child], timer)) break;
    put(timers, i, timers->heap[child]);
    i = child;
  }
  put(timers, i, timer);
}

static bool grow(kio_timers *timers) {
  size_t room = timers->room ? timers->room * 2 : TIMERS_FIRST_ROOM;
  kio_timer **heap = kio_memory_resize(timers->heap, room * sizeof *heap);
  if (!heap) return false;
  timers->heap = heap;
  timers->room = room;
  return true;
}

bool kio_timer_start(kio_timers *timers, kio_timer *timer, int64_t due_ns) {
  kio_assert(!kio_timer_started(timer));
  if (timers->count == timers->room && !grow(timers)) return false;
  timer->due_ns = due_ns;
  timer->order = timers->order++;
  timers->count++;
  sift_up(timers, timers->count - 1, timer);
  return true;
}

void kio_timer_remove(kio_timers *timers, kio_timer *timer) {
  kio_assert(kio_timer_started(timer));
  size_t i = timer->place - 1;
  kio_assert(i < timers->count && timers->heap[i] == timer);
  kio_timer *last = timers->heap[--timers->count];
  timer->place = 0;
  if (last == timer) return;
  sift_up(timers, i, last);
  sift_down(timers, last->place - 1, last);
}

int64_t kio_timers_next_ns(const kio_timers *timers) {
  return timers->count ? timers->heap[0]->due_ns : KIO_NEVER;
}

kio_timer *kio_timers_pop_due(kio_timers *timers, int64_t now_ns) {
  if (kio_timers_next_ns(timers) > now_ns || timers->count == 0) return NULL;
  kio_timer *timer = timers->heap[0];
  kio_timer_remove(timers, timer);
  return timer;
}

#ifdef KIO_TEST
void kio_timers_verify(const kio_timers *timers) {
  kio_assert(timers->count <= timers->room);
  for (size_t i = 0; i < timers->count; i++) {
    const kio_timer *timer = timers->heap[i];
    kio_assert(timer->place == i + 1 && timer->due && timer->order < timers->order);
    kio_assert(i == 0 || !before(timer, timers->heap[(i - 1) / 2]));
  }
}
#endif
