/* Owns the way of a request between the ring, the descriptor table and its owner. Invariant: a
   request is in the table exactly while its slot is taken. Called by the scheduler's thread only,
   but for kio_sched_close_fd. */
#include "task/io.h"

#include <errno.h>
#include <unistd.h>

#include "base/number.h"
#include "task/here.h"
#include "task/task.h"
#include "task/wait.h"

int kio_sched_request(kio_sched *sched, kio_op op, int fd, void *owner, kio_done_fn done,
                      kio_request **out) {
  kio_request *request = kio_slab_take(&sched->ring.slab);
  if (!request) return -ENOMEM;
  request->op = (uint8_t)op;
  request->fd = fd;
  request->owner = owner;
  request->done = done;
  int err = kio_desc_enter(&sched->descs, request, fd, 0);
  if (err) kio_slab_give(&sched->ring.slab, request);
  else *out = request;
  return err;
}

int kio_sched_close_fd(int fd) {
  kio_sched *sched = kio_sched_here();
  if (sched) kio_desc_cancel(&sched->descs, &sched->ring, fd, KIO_REQUEST_CLOSED);
  if (sched) kio_ring_forget(&sched->ring, fd);
  int result = kio_number_close(fd);
  if (sched) kio_sched_freed(sched);
  return result;
}

void kio_sched_release(kio_sched *sched, kio_request *request) {
  kio_debug_assert(!kio_request_under_way(request));
  kio_desc_leave(request);
  if (request->flags & KIO_REQUEST_BLOCK) kio_block_release(request->block, &sched->buffers);
  else kio_buffer_give(&sched->buffers, request->buffer);
  request->buffer = (kio_buffer){NULL, 0};
  kio_slab_give(&sched->ring.slab, request);
}

void kio_sched_dispose(kio_sched *sched, kio_request *request) {
  kio_assert(request->state == KIO_REQUEST_IDLE || request->state == KIO_REQUEST_DONE);
  bool may_bring = kio_request_brings(request);
  bool done = request->state == KIO_REQUEST_DONE; /* else its result is not one */
  if (may_bring && done && request->result >= 0) kio_sched_close_fd(request->result);
  if (request->flags & KIO_REQUEST_OWNS_FD) kio_sched_close_fd(request->fd);
  kio_sched_release(sched, request);
}

void kio_sched_orphan(kio_sched *sched, kio_request *request) {
  kio_assert(request->state != KIO_REQUEST_FREE);
  if (request->state == KIO_REQUEST_IDLE || request->state == KIO_REQUEST_DONE) {
    kio_sched_dispose(sched, request);
    return;
  }
  request->flags |= KIO_REQUEST_ORPHAN;
  kio_ring_cancel(&sched->ring, request, false);
}

/* The last request under way on a closing descriptor wakes the task that closes it. */
static void wake_closers(kio_sched *sched, const kio_request *request) {
  for (uint32_t slot = 0; slot < 2; slot++) {
    kio_task *closer = kio_desc_closer(&sched->descs, request, slot);
    if (closer && closer->status == KIO_TASK_WAITING) kio_task_wake(closer);
  }
}

/* One that found no descriptor for what it was to bring, and there may be one now. Not one that was
   cancelled: that comes with each close of its own descriptor, too, and with losing its owner. */
static bool tries_again(kio_sched *sched, kio_request *request) {
  bool cancelled = request->flags & KIO_REQUEST_CANCELLING;
  if (cancelled || request->again || kio_request_lacks_fds(request) == 0) return false;
  kio_request_renew(request);
  request->again = true;
  kio_ring_queue(&sched->ring, request);
  return true;
}

/* They may queue more and cancel, which is why the list is popped, not walked. */
void kio_sched_tell_owners(kio_sched *sched) {
  kio_request *request;
  while ((request = kio_ring_pop(&sched->ring))) {
    if (sched->collected && tries_again(sched, request)) continue;
    if (sched->descs.awaited > 0) wake_closers(sched, request);
    if (request->flags & KIO_REQUEST_ORPHAN) kio_sched_dispose(sched, request);
    else request->done(request);
  }
}
