/*
** What the two io_uring echo servers share: the best setup this kernel and liburing 2.3 offer,
** and the only way to get a submission entry.
*/
#ifndef BENCH_ECHO_RING_H
#define BENCH_ECHO_RING_H

#include <liburing.h>

#include "echo_common.h"

enum { RING_ENTRIES = 1024, RING_CQ_ENTRIES = 8192 };

static inline void ring_open(struct io_uring *ring) {
  struct io_uring_params p = {.cq_entries = RING_CQ_ENTRIES};
  p.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE;
  echo_check(io_uring_queue_init_params(RING_ENTRIES, ring, &p), "io_uring_queue_init_params");
  echo_check(io_uring_register_ring_fd(ring), "io_uring_register_ring_fd");
}

/* Never NULL: a full queue is submitted first. */
static inline struct io_uring_sqe *ring_sqe(struct io_uring *ring) {
  struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
  while (!sqe) {
    echo_check(io_uring_submit(ring), "io_uring_submit");
    sqe = io_uring_get_sqe(ring);
  }
  return sqe;
}

#endif
