/* Why io_uring is refused on this machine, and what to do about it: sysctl, seccomp, memlock and an
   old kernel look alike by errno, so the facts decide. Any thread may call it. */
#ifndef KIO_RUN_DIAGNOSE_H
#define KIO_RUN_DIAGNOSE_H

#include "ring/ring.h"
#include "run/machine.h"

typedef struct kio_diagnosis {
  char cause[480]; /* one sentence without its full stop */
  char cure[480];  /* what the reader can do, in one sentence without its full stop */
} kio_diagnosis;

/* What a refusal of a ring of this configuration with `err` (positive) means on that machine. */
void kio_diagnose(const kio_machine *machine, int err, const kio_ring_config *config,
                  kio_diagnosis *out);
/* The memory such a ring takes, in bytes: what RLIMIT_MEMLOCK is charged. */
uint64_t kio_diagnose_ring_size(const kio_ring_config *config);
/* Whether this kernel charges rings to RLIMIT_MEMLOCK, and this process is not exempt. */
bool kio_diagnose_charged(const kio_machine *machine);

#endif
