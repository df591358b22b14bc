/* Words every room uses: assertions, time, small helpers. Includes nothing of kio. */
#ifndef KIO_BASE_BASE_H
#define KIO_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define KIO_NS_PER_SEC 1000000000LL
#define KIO_NEVER INT64_MAX /* a deadline that never comes */

#define KIO_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The struct that holds `member` at address `ptr`. */
#define KIO_CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* An invariant of ours. It stays on in release builds: a wrong state stops before it spreads. */
#define kio_assert(cond) ((cond) ? (void)0 : kio_assert_failed(#cond, __FILE__, __LINE__))

/* What test builds do beside, and release builds have not: kio_<noun>_verify, which looks at a
   whole structure, after the turns of the loop (task/sched_verify.h). kio_in_test: what is done;
   kio_test_only: a function that a table names. */
#ifdef KIO_TEST
#define kio_in_test(...) __VA_ARGS__
#define kio_test_only(function) (function)
#else
#define kio_in_test(...) ((void)0)
#define kio_test_only(function) NULL
#endif

/* kio_assert in test builds only: for the path of every read and write. */
#define kio_debug_assert(cond) kio_in_test(kio_assert(cond))

_Noreturn static inline void kio_assert_failed(const char *cond, const char *file, int line) {
  fprintf(stderr, "kio: broken invariant: %s (%s:%d)\n", cond, file, line);
  abort();
}

static inline size_t kio_min_size(size_t a, size_t b) {
  return a < b ? a : b;
}

static inline int64_t kio_min_ns(int64_t a, int64_t b) {
  return a < b ? a : b;
}

/* The moment `ns` after another; KIO_NEVER when that is beyond all time. */
static inline int64_t kio_after_ns(int64_t moment_ns, int64_t ns) {
  return ns >= KIO_NEVER - moment_ns ? KIO_NEVER : moment_ns + ns;
}

/* CLOCK_MONOTONIC: real time, whatever clock a ring has. */
static inline int64_t kio_real_now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * KIO_NS_PER_SEC + now.tv_nsec;
}

#endif
