/* Owns the heap's array. Invariant: heap[i] is due no later than its children 2i+1 and 2i+2, and
   heap[i].timer->place is i + 1. Called by the scheduler's thread only. */
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

static bool before(const kio_deadline *a, const kio_deadline *b) {
  return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static void put(kio_timers *timers, size_t i, kio_deadline deadline) {
  timers->heap[i] = deadline;
  deadline.timer->place = i + 1;
}

static void sift_up(kio_timers *timers, size_t i, kio_deadline deadline) {
  while (i > 0 && before(&deadline, &timers->heap[(i - 1) / 2])) {
    put(timers, i, timers->heap[(i - 1) / 2]);
    i = (i - 1) / 2;
  }
  put(timers, i, deadline);
}

static void sift_down(kio_timers *timers, size_t i, kio_deadline deadline) {
  const kio_deadline *heap = timers->heap;
  for (;;) {
    size_t child = 2 * i + 1;
    if (child >= timers->count) break;
    if (child + 1 < timers->count && before(&heap[child + 1], &heap[child])) child++;
    if (!before(&heap[child], &deadline)) break;
    put(timers, i, heap[child]);
    i = child;
  }
  put(timers, i, deadline);
}

static bool grow(kio_timers *timers) {
  size_t room = timers->room ? timers->room * 2 : TIMERS_FIRST_ROOM;
  kio_deadline *heap = kio_memory_resize(timers->heap, room * sizeof *heap);
  if (!heap) return false;
  timers->heap = heap;
  timers->room = room;
  return true;
}

bool kio_timer_start(kio_timers *timers, kio_timer *timer, int64_t due_ns) {
  kio_assert(!kio_timer_started(timer));
  if (timers->count == timers->room && !grow(timers)) return false;
  kio_deadline deadline = {.due_ns = due_ns, .order = timers->order++, .timer = timer};
  timers->count++;
  sift_up(timers, timers->count - 1, deadline);
  return true;
}

void kio_timer_remove(kio_timers *timers, kio_timer *timer) {
  kio_assert(kio_timer_started(timer));
  size_t i = timer->place - 1;
  kio_assert(i < timers->count && timers->heap[i].timer == timer);
  kio_deadline last = timers->heap[--timers->count];
  timer->place = 0;
  if (last.timer == timer) return;
  sift_up(timers, i, last);
  sift_down(timers, last.timer->place - 1, last);
}

#ifdef KIO_TEST
void kio_timers_verify(const kio_timers *timers) {
  kio_assert(timers->count <= timers->room);
  for (size_t i = 0; i < timers->count; i++) {
    const kio_deadline *deadline = &timers->heap[i];
    kio_assert(deadline->timer->place == i + 1 && deadline->timer->due);
    kio_assert(deadline->order < timers->order);
    kio_assert(i == 0 || !before(deadline, &timers->heap[(i - 1) / 2]));
  }
}
#endif
