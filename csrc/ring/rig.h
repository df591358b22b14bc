/* The ring kio.testing runs on: another ring, at which it fails requests as it is told, and whose
   clock it may replace by one that jumps. It stands in every build, for it does no work itself:
   what it lets through reaches the kernel as in production. docs/rationale.md says why this and
   not the simulated ring. */
#ifndef KIO_RING_RIG_H
#define KIO_RING_RIG_H

#include "ring/ring.h"

enum { KIO_RIG_ANY_OP = -1 };

/* A fault that requests of one kind meet. A request is looked at when it is about to reach the
   kernel. */
typedef struct kio_fault {
  int op;           /* kio_op, or KIO_RIG_ANY_OP */
  uint64_t nth;     /* the nth of that kind from now, from 1; 0: every one */
  int err;          /* it fails with this errno, undone (but a close is done); 0: it does not */
  size_t short_max; /* it moves so many bytes at most; 0: no bound. Datagrams are never cut */
  uint64_t seen;    /* requests of that kind so far */
  uint64_t hits;    /* times it was injected */
} kio_fault;

/* A list of them; of those that match one request, the first takes it. The memory is the caller's,
   and must stay until the ring is closed or kio_faults_remove. */
typedef struct kio_faults {
  kio_link link; /* in the ring's list */
  size_t count;
  kio_fault list[];
} kio_faults;

extern const kio_ring_backend kio_ring_rig;

/* Adds faults to an open ring; false when it is no rig. */
bool kio_faults_add(kio_ring *ring, kio_faults *faults);
/* They are injected no more; nothing when they are not added. */
void kio_faults_remove(kio_faults *faults);

#endif
