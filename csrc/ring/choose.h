/* Which ring a run gets. */
#ifndef KIO_RING_CHOOSE_H
#define KIO_RING_CHOOSE_H

#include "ring/ring.h"

/* The ring of that name; NULL: there is none in this build. Any thread may call. */
const kio_ring_backend *kio_ring_named(const char *name);
/* io_uring's ring or, where that is not to be had, epoll's. Decided once for the process, so that
   all workers have the same. Any thread may call. */
const kio_ring_backend *kio_ring_choose(void);
#endif
