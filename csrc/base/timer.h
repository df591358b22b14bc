/* Deadlines in a binary heap, ordered by time and, for equal times, by the order of adding.
   Adding and removing are O(log n), looking at the next is O(1). When a timer is due lies in the
   heap: most things that have a timer are idle, and have no deadline. */
#ifndef KIO_BASE_TIMER_H
#define KIO_BASE_TIMER_H

#include "base/base.h"

typedef struct kio_timer kio_timer;

struct kio_timer {
  size_t place;                  /* index in the heap plus one; 0: not in it */
  void (*due)(kio_timer *timer); /* called by the loop when its time has come; set by its owner */
};

typedef struct kio_deadline {
  int64_t due_ns;   /* on the scheduler's clock */
  uint64_t order;   /* ties are fired in the order they were added */
  kio_timer *timer; /* whose it is */
} kio_deadline;

typedef struct kio_timers {
  kio_deadline *heap; /* heap[0] is due first */
  size_t count;       /* timers in the heap */
  size_t room;        /* slots allocated */
  uint64_t order;     /* the next timer's `order` */
} kio_timers;

/* An empty heap. */
void kio_timers_init(kio_timers *timers);
/* Frees the heap; the timers themselves belong to their owners. */
void kio_timers_fini(kio_timers *timers);
/* Starts a timer that is not started. False when memory is out: nothing is changed then. */
bool kio_timer_start(kio_timers *timers, kio_timer *timer, int64_t due_ns);
/* Stops a timer that is started. */
void kio_timer_remove(kio_timers *timers, kio_timer *timer);
/* When the next timer is due, or KIO_NEVER. */
static inline int64_t kio_timers_next_ns(const kio_timers *timers) {
  return timers->count ? timers->heap[0].due_ns : KIO_NEVER;
}
/* Takes out the first timer due at `now_ns` or before; NULL when there is none. */
static inline kio_timer *kio_timers_pop_due(kio_timers *timers, int64_t now_ns) {
  if (timers->count == 0 || timers->heap[0].due_ns > now_ns) return NULL;
  kio_timer *timer = timers->heap[0].timer;
  kio_timer_remove(timers, timer);
  return timer;
}

#ifdef KIO_TEST
/* The heap is in order, and each timer knows its place. */
void kio_timers_verify(const kio_timers *timers);
#endif

static inline bool kio_timer_started(const kio_timer *timer) {
  return timer->place != 0;
}

/* Stops a timer; one that is not started is allowed. */
static inline void kio_timer_stop(kio_timers *timers, kio_timer *timer) {
  if (kio_timer_started(timer)) kio_timer_remove(timers, timer);
}

#endif
