/* What this machine says about itself as far as io_uring is concerned: kernel, policy, limits.
   Only reads; changes nothing. Any thread may call it. */
#ifndef KIO_RUN_MACHINE_H
#define KIO_RUN_MACHINE_H

#include "base/base.h"

#define KIO_UNLIMITED UINT64_MAX /* a limit that is none */
#define KIO_UNKNOWN (-1)         /* a fact the system does not tell */

typedef struct kio_machine {
  char kernel[72];       /* release, as uname(2) gives it */
  int version;           /* major * 1000 + minor: 6001 is Linux 6.1; 0: unknown */
  long uring_disabled;   /* sysctl kernel.io_uring_disabled: 0 all, 1 some, 2 nobody */
  long uring_group;      /* sysctl kernel.io_uring_group; -1: none, or unknown */
  bool in_group;         /* this process belongs to that group */
  long seccomp;          /* of this process: 0 none, 1 strict, 2 a filter */
  long no_new_privs;     /* of this process: 0 or 1 */
  bool admin;            /* has CAP_SYS_ADMIN where it counts: in the first user namespace */
  bool memlock_exempt;   /* has CAP_IPC_LOCK there: nothing is charged to memlock */
  uint64_t memlock_soft; /* RLIMIT_MEMLOCK in bytes */
  uint64_t memlock_hard;
  uint64_t nofile_soft; /* RLIMIT_NOFILE */
  uint64_t nofile_hard;
  int cpus;              /* processors this process may run on */
  const char *container; /* what seems to contain this process, a constant; NULL: nothing */
} kio_machine;

/* Looks at everything. What cannot be read (no descriptor left, no /proc) stays unknown. */
void kio_machine_look(kio_machine *machine);

#endif
