/*
** A latency histogram: 64 buckets per power of two, so a value is off by at most 1.6 %,
** and adding one costs no allocation and no search.
*/
#ifndef BENCH_LOAD_HIST_H
#define BENCH_LOAD_HIST_H

#include <stdint.h>
#include <string.h>

enum {
  HIST_SUB_BITS = 6, /* buckets per power of two, as a power of two */
  HIST_SUB = 1 << HIST_SUB_BITS,
  HIST_BUCKETS = (64 - HIST_SUB_BITS + 1) * HIST_SUB
};

struct hist {
  uint64_t count; /* values added */
  uint64_t bucket[HIST_BUCKETS];
};

static inline void hist_clear(struct hist *h) {
  memset(h, 0, sizeof *h);
}

static inline unsigned hist_index(uint64_t value) {
  if (value < HIST_SUB) return (unsigned)value;
  unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HIST_SUB_BITS;
  return ((shift + 1) << HIST_SUB_BITS) + ((unsigned)(value >> shift) & (HIST_SUB - 1));
}

static inline void hist_add(struct hist *h, uint64_t value) {
  h->count++;
  h->bucket[hist_index(value)]++;
}

/* The smallest value that falls into bucket `index`: the inverse of hist_index. */
static inline uint64_t hist_floor(unsigned index) {
  if (index < HIST_SUB) return index;
  unsigned shift = (index >> HIST_SUB_BITS) - 1;
  return (uint64_t)(HIST_SUB + (index & (HIST_SUB - 1))) << shift;
}

/* The value below which `share` (0..1) of all values lie; 0 when nothing was added. */
static inline uint64_t hist_quantile(const struct hist *h, double share) {
  uint64_t rank = (uint64_t)((double)h->count * share);
  uint64_t seen = 0;
  for (unsigned i = 0; i < HIST_BUCKETS; i++) {
    seen += h->bucket[i];
    if (seen > rank) return hist_floor(i);
  }
  return 0;
}

#endif
