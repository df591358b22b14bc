/* The descriptor table: which requests work on which descriptor number. It is what lets a close end
   them first, so that a number is never reused under a request.

   Closing a descriptor. close(2) alone ends nothing: the kernel keeps the file as long as a request
   works on it, the peer sees no FIN, and the number goes to whoever opens next, at whose file a
   request still queued would work. So who may wait closes in this order: kio_desc_close, after
   which nothing new is entered and a second close is refused (EBADF); kio_desc_cancel, which only
   asks, so kio_desc_await, and the last completion wakes the task (task/io.c, by kio_desc_closer);
   kio_desc_reopen, which tells whether the number is still the same tenant's, for who does not wait
   may have been faster; then close(2). Three do this: `close` of a number (op/wait.c), which lets
   the ring close and says so by kio_desc_closed_by; handles without output (op/close.c); streams,
   once their output has left (net/stream_lua.c). Who cannot wait, such as a finalizer, calls
   kio_sched_close_fd: cancelled and closed at once, for what the kernel works on holds the file,
   and what is still queued never reaches it. */
#ifndef KIO_RING_DESC_H
#define KIO_RING_DESC_H

#include "base/base.h"
#include "base/list.h"
#include "ring/ring.h"

typedef struct kio_desc {
  kio_list requests;        /* those that name this descriptor, under way or not, by fd_ref.link */
  void *closer;             /* the task that waits for them to end, or NULL */
  bool closing;             /* nothing new may start */
  uint32_t tenant;          /* who had the number when `closer` began to wait */
  const kio_request *close; /* the one that closes it; counts while the kernel has not seen it */
} kio_desc;

typedef struct kio_descs {
  kio_desc **rows; /* by descriptor / KIO_DESC_ROW; rows are made when needed and never move */
  size_t count;    /* rows there is room for */
  size_t awaited;  /* descriptors with a `closer` */
} kio_descs;

enum { KIO_DESC_ROW = 64 };

/* An empty table. */
void kio_descs_init(kio_descs *descs);
/* Frees it; no request may be in it. */
void kio_descs_fini(kio_descs *descs);
/* The entry of fd; NULL: it has none yet. */
static inline kio_desc *kio_desc_find(const kio_descs *descs, int fd) {
  unsigned number = (unsigned)fd, row = number / KIO_DESC_ROW; /* of a negative one: beyond all */
  if (row >= descs->count || !descs->rows[row]) return NULL;
  return &descs->rows[row][number % KIO_DESC_ROW];
}
/* kio_desc_enter where there is no entry yet, or a close in the way. */
int kio_desc_enter_slowly(kio_descs *descs, kio_request *request, int fd, uint32_t slot);
/* kio_desc_enter when nothing is in the way. */
static inline int kio_desc_list(kio_desc *desc, kio_request *request, int fd, uint32_t slot) {
  request->fd_ref[slot].slot = slot;
  request->fd_ref[slot].tenant = kio_number_tenant(fd);
  kio_list_push(&desc->requests, &request->fd_ref[slot].link);
  return 0;
}
/* Enters an IDLE request under its descriptor (slot 0), or its second one (slot 1). 0, -EBADF when
   the descriptor is closing or cannot exist, or -ENOMEM. */
static inline int kio_desc_enter(kio_descs *descs, kio_request *request, int fd, uint32_t slot) {
  kio_assert(slot <= 1);
  kio_debug_assert(request->state == KIO_REQUEST_IDLE);
  kio_desc *desc = kio_desc_find(descs, fd);
  bool plain = desc && !desc->closing && !desc->close;
  return plain ? kio_desc_list(desc, request, fd, slot)
               : kio_desc_enter_slowly(descs, request, fd, slot);
}
/* Takes a request out; one that was not entered is allowed. */
static inline void kio_desc_leave(kio_request *request) {
  for (int slot = 0; slot < 2; slot++) {
    kio_link *link = &request->fd_ref[slot].link;
    if (kio_link_linked(link)) kio_link_remove(link);
  }
}
/* The request has completed, by its reference of that slot on a descriptor (or on none): the task
   that waited for the last one under way there, to be woken by the caller; NULL while others are,
   or when nobody does. */
void *kio_desc_closer(kio_descs *descs, const kio_request *request, uint32_t slot);
/* Whether any request is under way on fd. */
bool kio_desc_busy(const kio_descs *descs, int fd);
/* Marks fd as closing: nothing new may start on it. 0, -EBADF or -ENOMEM. */
int kio_desc_close(kio_descs *descs, int fd);
/* Whether fd is marked so, or the request that closes it has not reached the kernel. */
bool kio_desc_closing(const kio_descs *descs, int fd);
/* Has `task` handed out by kio_desc_closer when the last request under way on fd completes. */
void kio_desc_await(kio_descs *descs, int fd, void *task);
/* The number is about to be free: others may have it. After kio_desc_await: false when it was
   closed meanwhile by who does not wait, such as another thread; it is another's by now, or
   nobody's. */
bool kio_desc_reopen(kio_descs *descs, int fd);
/* kio_desc_reopen when `request` will free the number: what is queued behind that would meet the
   next tenant, so nothing new may start until the kernel has taken it. NULL: nobody will. */
void kio_desc_closed_by(kio_descs *descs, int fd, const kio_request *request);
/* Asks the ring to cancel every request under way on fd, adding `flags` to each; how many. */
int kio_desc_cancel(kio_descs *descs, kio_ring *ring, int fd, uint8_t flags);
#ifdef KIO_TEST
/* Who is listed under a descriptor works on it, and whoever waits for the last of them will be
   woken: one is under way. */
void kio_descs_verify(const kio_descs *descs);
#endif

#endif
