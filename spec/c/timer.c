/* The heap of timers against an unsorted array: random starts, stops, and expiries, with many equal
   deadlines; a start that finds no memory changes nothing. */
#include "check.h"
#include "base/memory.h"
#include "base/timer.h"

enum { TIMERS = 300, STEPS = 100000, LAST_NS = 50 };

static kio_timer timers[TIMERS];
static kio_timers heap;
static int64_t due[TIMERS];    /* of each that is started: when ... */
static size_t started[TIMERS]; /* ... and as which start */
static size_t starts;

/* The one that must fire next: earliest, and among equals the one started first. */
static kio_timer *model_next(void) {
  size_t next = TIMERS;
  for (size_t i = 0; i < TIMERS; i++) {
    if (!kio_timer_started(&timers[i])) continue;
    bool sooner =
        next == TIMERS || due[i] < due[next] || (due[i] == due[next] && started[i] < started[next]);
    if (sooner) next = i;
  }
  return next < TIMERS ? &timers[next] : NULL;
}

static int64_t due_of(const kio_timer *timer) {
  return timer ? due[timer - timers] : KIO_NEVER;
}

static size_t model_count(void) {
  size_t count = 0;
  for (size_t i = 0; i < TIMERS; i++) count += kio_timer_started(&timers[i]);
  return count;
}

static void compare(void) {
  const kio_timer *next = model_next();
  CHECK(heap.count == model_count());
  CHECK(kio_timers_next_ns(&heap) == due_of(next));
}

static void expire(int64_t now_ns) {
  for (;;) {
    kio_timer *expected = model_next();
    if (due_of(expected) > now_ns) expected = NULL;
    kio_timer *fired = kio_timers_pop_due(&heap, now_ns);
    CHECK(fired == expected);
    if (!fired) return;
    CHECK(!kio_timer_started(fired));
  }
}

static void at_random(void) {
  for (int step = 0; step < STEPS; step++) {
    size_t i = check_below(TIMERS);
    kio_timer *t = &timers[i];
    size_t dice = check_below(100);
    if (dice < 60 && !kio_timer_started(t)) {
      due[i] = (int64_t)check_below(LAST_NS);
      started[i] = starts++;
      CHECK(kio_timer_start(&heap, t, due[i]));
    } else if (dice < 95) {
      kio_timer_stop(&heap, t);
    } else {
      expire((int64_t)check_below(LAST_NS / 4));
    }
    if (step % 8 == 0) compare();
  }
  expire(LAST_NS);
  CHECK(heap.count == 0 && kio_timers_pop_due(&heap, KIO_NEVER) == NULL);
}

/* Equal deadlines fire in the order of starting, also after some have been stopped. */
static void ties(void) {
  for (size_t i = 0; i < TIMERS; i++) CHECK(kio_timer_start(&heap, &timers[i], 7));
  for (size_t i = 0; i < TIMERS; i += 3) kio_timer_stop(&heap, &timers[i]);
  for (size_t i = 0; i < TIMERS; i++) {
    if (i % 3 != 0) CHECK(kio_timers_pop_due(&heap, 7) == &timers[i]);
  }
}

static void no_memory(void) {
  kio_timers small;
  size_t count = 0;
  kio_timers_init(&small);
  kio_memory_fail_at(1);
  CHECK(!kio_timer_start(&small, &timers[0], 1));
  CHECK(!kio_timer_started(&timers[0]) && small.count == 0);
  while (count < TIMERS) {
    kio_memory_fail_at(1);
    if (!kio_timer_start(&small, &timers[count], 1)) {
      CHECK(small.count == count && !kio_timer_started(&timers[count]));
      kio_memory_fail_at(0);
      CHECK(kio_timer_start(&small, &timers[count], 1));
    }
    count++;
  }
  kio_memory_fail_at(0);
  for (size_t i = 0; i < TIMERS; i++) CHECK(kio_timers_pop_due(&small, 1) == &timers[i]);
  kio_timers_fini(&small);
}

int main(void) {
  kio_timers_init(&heap);
  at_random();
  ties();
  kio_timers_fini(&heap);
  no_memory();
  CHECK(kio_memory_live() == 0);
  return 0;
}
