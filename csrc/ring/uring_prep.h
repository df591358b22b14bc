/* How io_uring is asked for each operation. For ring/uring.c alone. */
#ifndef KIO_RING_URING_PREP_H
#define KIO_RING_URING_PREP_H

#include "ring/request.h"

struct io_uring;
struct io_uring_sqe;

/* Fills the entry in, but for its user data and the choice of a lent buffer. */
typedef void (*kio_uring_prep_fn)(struct io_uring_sqe *sqe, kio_request *request);

extern const kio_uring_prep_fn kio_uring_prep[KIO_OP_COUNT] __attribute__((visibility("hidden")));

/* Which operations this kernel has not: a bit for each. */
uint32_t kio_uring_lacks(struct io_uring *ring);

enum { KIO_URING_FTRUNCATE = 55 }; /* IORING_OP_FTRUNCATE, Linux 6.9: newer than liburing 2.3 */

#endif
