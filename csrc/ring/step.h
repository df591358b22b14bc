/* Operations that io_uring would begin in a thread of the kernel's, and hold it, and locks with it,
   until somebody else does something. They are served in steps instead: a wait for readiness, then
   a try that waits for nothing. Where no event tells of readiness the tries are repeated after
   pauses that grow. Who needs steps is a fact of each operation (ring/op_facts.h). Neither
   knows liburing: a backend submits what a step needs. */
#ifndef KIO_RING_STEP_H
#define KIO_RING_STEP_H

#include "ring/pause.h"
#include "ring/ring.h"

typedef enum kio_step_verdict {
  KIO_STEP_SUBMIT, /* the kernel does what the step says */
  KIO_STEP_NEXT,   /* the step has been set to the next one, which begins at once */
  KIO_STEP_LATER,  /* not ready, or not after all: it begins after a pause */
  KIO_STEP_DONE    /* *result is the request's */
} kio_step_verdict;

/* Of KIO_OP_SPLICE, in order. */
enum {
  KIO_SPLICE_START,
  KIO_SPLICE_WAIT_IN,  /* submitted: a poll of `in` */
  KIO_SPLICE_WAIT_OUT, /* submitted: a poll of `fd` */
  KIO_SPLICE_MOVE,
  KIO_SPLICE_READ, /* submitted: from `in` into the buffer, `held` bytes at most */
  KIO_SPLICE_PUSH,
  KIO_SPLICE_WRITE /* submitted: `held` bytes of the buffer to `fd` */
};

/* Of the others: what is submitted. */
enum {
  KIO_STEP_WHOLE, /* the operation, as it was asked for */
  KIO_STEP_TYPE,  /* open: a statx that tells the type */
  KIO_STEP_KNOWN, /* open: the operation, which does not wait for anybody */
  KIO_STEP_TRY,   /* the operation, asked not to wait */
  KIO_STEP_THREAD /* the operation, in a kernel thread, once it is ready */
};

/* Begins what an INFLIGHT request has to do next. True when that is to be submitted; else it has
   been done, or put off. For operations that may have steps. */
bool kio_step_start(kio_pauses *pauses, kio_ring *ring, kio_request *request);
/* What was submitted has been done, with that result: the request completes, goes on with its next
   step, or is put off. For operations that may have steps. */
void kio_step_finish(kio_pauses *pauses, kio_ring *ring, kio_request *request, int result);
/* What io_uring has made of it. One that was to be tried once, but was cancelled before a kernel
   thread had come to that, is tried plainly if it is ready: then its result is that one's. */
int kio_step_tried(kio_request *request, int result);

/* ---- between step.c and step_splice.c only ---- */

/* Begins the present step of a splice, before it is submitted. */
kio_step_verdict kio_splice_begin(kio_ring *ring, kio_request *request, int *result);
/* The present step of a splice has been done, with *result. Never KIO_STEP_SUBMIT. */
kio_step_verdict kio_splice_end(kio_request *request, int *result);

#endif
