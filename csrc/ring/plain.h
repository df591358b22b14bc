/* Requests done by plain system calls. A ring that has no kernel to hand them to (ring/epoll.c, and
   the simulated one of test builds) does them so. */
#ifndef KIO_RING_PLAIN_H
#define KIO_RING_PLAIN_H

#include "ring/request.h"

enum { KIO_PLAIN_WAIT = INT32_MIN }; /* not a result: the call would have had to wait */

/* Whether the request waits for a disk and for nobody else: names, and what is done to files. It
   may take long, but ends by itself. One that is not waits for a peer, if at all. */
bool kio_plain_is_work(const kio_request *request);
/* Does such a request, however long that takes, on any thread. The result as io_uring would give
   it; KIO_PLAIN_WAIT: it is an open of a fifo for writing that nobody reads. */
int kio_plain_work(kio_request *request, size_t max);
/* Does a read of a file without waiting for the disk, if the kernel has all of it; else, and for
   everything but reads, KIO_PLAIN_WAIT. */
int kio_plain_cached(kio_request *request);
/* Tries one that is not such a request, once. Its result, or KIO_PLAIN_WAIT: its descriptor is not
   ready. Nobody's O_NONBLOCK is changed for longer than an accept or a connect lasts. `max` bounds
   the bytes of one transfer (0: no bound; datagrams are never cut). `moved` is kept between tries,
   and 0 at first. Of a splice it is one step (ring/step.h). The ring's thread only. */
int kio_plain_try(kio_request *request, size_t max, size_t *moved);
/* Tries a receive that borrows: it has a buffer only meanwhile, and keeps it with bytes in. The
   result, or KIO_PLAIN_WAIT. With KIO_REQUEST_MORE set it has filled the buffer. */
int kio_plain_receive(kio_buffers *buffers, kio_request *request);
/* What poll(2) must wait for before another try makes sense; 0: nothing it could tell. Of a poll
   itself, what it is to be told of. */
short kio_plain_events(const kio_request *request);

#endif
