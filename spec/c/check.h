/* What the C unit tests share: a check that tells where it failed, and a repeatable source of
   random numbers. A test is a program; exit status 0 is a pass. */
#ifndef SPEC_C_CHECK_H
#define SPEC_C_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(cond)                                                      \
  do {                                                                   \
    if (!(cond)) {                                                       \
      fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #cond); \
      exit(1);                                                           \
    }                                                                    \
  } while (0)

/* xorshift64; the same numbers in every run. */
static uint64_t check_random_state = 88172645463325252u;

static inline uint64_t check_random(void) {
  check_random_state ^= check_random_state << 13;
  check_random_state ^= check_random_state >> 7;
  check_random_state ^= check_random_state << 17;
  return check_random_state;
}

/* 0 to n - 1 */
static inline size_t check_below(size_t n) {
  return (size_t)(check_random() % n);
}

#endif
