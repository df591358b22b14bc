/* The seam: one submission/completion engine, whichever it is. Above it nobody has heard of
   io_uring; behind it stand ring/uring.c, ring/epoll.c where io_uring is not to be had and, in test
   builds, test/sim.c.
   A ring belongs to one thread. Data goes down as queue -> enter, and up as complete -> pop. */
#ifndef KIO_RING_RING_H
#define KIO_RING_RING_H

#include "base/base.h"
#include "base/list.h"
#include "base/log.h"
#include "base/number.h"
#include "ring/request.h"

typedef struct kio_ring kio_ring;
typedef struct kio_ring_backend kio_ring_backend;

/* Where a ring without a kernel's threads has done what may wait for a disk. */
typedef struct kio_offload {
  /* Has kio_plain_work do it on another thread; kio_ring_worked tells its end. 0 or -errno. */
  int (*submit)(void *ctx, kio_request *request);
  /* Takes back one that has not begun. False: its end will be told. */
  bool (*withdraw)(void *ctx, kio_request *request);
  void *ctx; /* what the two are given */
} kio_offload;

typedef struct kio_ring_config {
  unsigned entries;     /* submission queue; it does not limit how much may be in flight */
  unsigned cq_entries;  /* completion queue; 0: the default */
  unsigned lend;        /* buffers it may hold ready for receives without one; 0: it polls first */
  kio_buffers *buffers; /* where those come from; NULL: no such receive may be queued */
  bool multishot;       /* one accept may bring many connections, if the backend can */
  int64_t sqpoll_ms;    /* the kernel thread's idle time before it sleeps; negative: no SQPOLL */
  kio_offload offload;  /* for backends that need it */
  /* Of ring/rig.c alone: */
  const kio_ring_backend *inner; /* the ring it stands before */
  bool jump;                     /* its clock jumps where the loop would sleep */
  int64_t settle_ns;             /* unless something arrives in this real time */
  size_t chunk;                  /* a receive or send moves so many bytes at most; 0: no bound */
} kio_ring_config;

/* Counters since the ring was opened; nothing here is reset. */
typedef struct kio_ring_stats {
  uint64_t enters;            /* calls into the kernel */
  uint64_t completions;       /* requests completed */
  uint64_t more;              /* results before the last one of requests that bring many */
  uint64_t ignored;           /* completions nobody owns: cancels */
  uint64_t stale;             /* completions whose request had ended: dropped */
  uint64_t overflows;         /* times the completion queue was full */
  uint64_t held_back;         /* requests that found the submission queue full and waited */
  uint64_t starved;           /* times a receive found no buffer ready and was tried again */
  uint64_t ops[KIO_OP_COUNT]; /* requests queued, by operation */
} kio_ring_stats;

struct kio_ring_backend {
  const char *name;
  const char *library; /* what it was built with, and which version of it */
  bool plain_calls; /* one that waits for nothing may stand in for a request; else all are seen */
  /* Sets ring->impl up; 0 or a negative errno, nothing left behind then. */
  int (*open)(kio_ring *ring, const kio_ring_config *config);
  /* Frees ring->impl. Nothing may be in flight, or the kernel may still write. In a forked child
     (!kio_ring_alive) the parent's ring is not touched. */
  void (*close)(kio_ring *ring);
  /* Submits what is queued, then waits up to wait_ns for a completion, collects all there are. */
  void (*enter)(kio_ring *ring, int64_t wait_ns);
  /* Whether an enter that does not wait would bring something. */
  bool (*wants_enter)(kio_ring *ring);
  /* The clock of deadlines. */
  int64_t (*now_ns)(kio_ring *ring);
  /* Writes what was granted, as words: "SINGLE_ISSUER DEFER_TASKRUN ...". */
  void (*describe)(kio_ring *ring, char *text, size_t size);
  /* A descriptor is about to be closed by this thread: what is kept of its number is forgotten.
     NULL: nothing is kept. */
  void (*forget)(kio_ring *ring, int fd);
  /* What was offloaded has been done; not linked, INFLIGHT. NULL: nothing is offloaded. */
  void (*worked)(kio_ring *ring, kio_request *request, int result);
};

struct kio_ring {
  const kio_ring_backend *backend; /* NULL: not open */
  void *impl;                      /* the backend's own */
  kio_slab slab;                   /* every request of this ring */
  kio_buffers *buffers;            /* of the configuration */
  bool multishot;                  /* accepts may go on; set by the backend */
  int lacks_fds;                   /* for want of so many something came to nothing; the owner's */
  bool brought;                    /* the present entry has brought a result on the way */
  int refused;                     /* why the kernel takes nothing any more: -errno; else 0 */
  uint32_t numbers;                /* kio_number_changes when strays were last looked for */
  kio_list queued;                 /* requests the kernel has not seen, in order */
  kio_list cancels;                /* requests whose cancel has not been sent, by cancel_link */
  kio_list completed;              /* requests with a result nobody has popped */
  const volatile char *alive;      /* 1 in the process that opened the ring, 0 in a forked child */
  size_t pending;                  /* queued or in flight, without the silent ones */
  bool expects; /* a thread of ours will wake us: time is not to be jumped over */
  kio_ring_stats stats;
};

/* Opens a ring on `backend`. 0 or a negative errno, as the kernel refused it. */
int kio_ring_open(kio_ring *ring, const kio_ring_backend *backend, const kio_ring_config *config);
/* Closes it. If something is still pending the slab is left to the kernel, on purpose. */
void kio_ring_close(kio_ring *ring);
/* False once the ring is closed, and in a child forked from the process that opened it: there
   nothing may enter it, for the kernel works for the parent. Costs a load. */
static inline bool kio_ring_alive(const kio_ring *ring) {
  return *ring->alive;
}
/* In such a child: everything pending completes with -ECANCELED, the kernel unasked. */
void kio_ring_abandon(kio_ring *ring);

/* Queues an IDLE request. It will complete exactly once, never within this call. */
static inline void kio_ring_queue(kio_ring *ring, kio_request *request) {
  kio_assert(request->state == KIO_REQUEST_IDLE && request->done);
  kio_debug_assert(!kio_request_borrows(request) || request->arg.io.size <= KIO_BUFFER_MIN);
  request->state = KIO_REQUEST_QUEUED;
  request->result = 0;
  kio_list_push(&ring->queued, &request->link);
  if (request->flags & KIO_REQUEST_SILENT) return;
  ring->pending++;
  ring->stats.ops[request->op]++;
}
/* Renews a request that its owner has kept, IDLE or DONE, and queues it. */
static inline void kio_ring_queue_anew(kio_ring *ring, kio_request *request) {
  kio_request_renew(request);
  kio_ring_queue(ring, request);
}
/* Asks to end a request early. Its own completion stays the truth: it may still succeed. One that
   the kernel has not seen completes with -ECANCELED, except when `try_once` is set: then it is
   submitted first and cancelled behind. */
void kio_ring_cancel(kio_ring *ring, kio_request *request, bool try_once);
/* Nobody waits for a request that is under way. */
void kio_ring_silence(kio_ring *ring, kio_request *request);
/* A silent request is waited for like any other from now on: somebody wants what it brings, or the
   ring is about to be closed. */
void kio_ring_unsilence(kio_ring *ring, kio_request *request);
/* One kernel entry: submit what still has the descriptor it was meant for (the rest fails with
   -EBADF), wait up to wait_ns (0: not at all, KIO_NEVER: no bound), collect. With ring->refused
   set it does nothing, at once: whoever loops must look at that. */
void kio_ring_enter(kio_ring *ring, int64_t wait_ns);
/* Whether kio_ring_enter(ring, 0) has anything to do. */
static inline bool kio_ring_wants_enter(kio_ring *ring) {
  return !kio_list_empty(&ring->queued) || !kio_list_empty(&ring->cancels) ||
         ring->backend->wants_enter(ring);
}
/* Whether the present entry has brought anything: then it must not wait. */
static inline bool kio_ring_has_news(const kio_ring *ring) {
  return ring->brought || !kio_list_empty(&ring->completed);
}
/* To be called before the ring's thread closes a descriptor. */
static inline void kio_ring_forget(kio_ring *ring, int fd) {
  if (ring->backend->forget) ring->backend->forget(ring, fd);
}
/* Tells the end of what was offloaded, on the ring's thread. */
static inline void kio_ring_worked(kio_ring *ring, kio_request *request, int result) {
  kio_assert(request->state == KIO_REQUEST_INFLIGHT && ring->backend->worked);
  ring->backend->worked(ring, request, result);
}
/* The next completed request, which now belongs to the caller; NULL when there is none. */
static inline kio_request *kio_ring_pop(kio_ring *ring) {
  kio_link *link = kio_list_pop(&ring->completed);
  if (!link) return NULL;
  kio_request *request = KIO_CONTAINER(link, kio_request, link);
  kio_assert(request->state == KIO_REQUEST_COMPLETE);
  request->state = KIO_REQUEST_DONE;
  return request;
}
/* The name of the ring, or of the one that the rig of this configuration stands before. */
const char *kio_ring_name(const kio_ring *ring, const kio_ring_config *config);
/* What the clock of its deadlines says. */
static inline int64_t kio_ring_now_ns(kio_ring *ring) {
  return ring->backend->now_ns(ring);
}

/* For backends only. */
/* The kernel did not find what a cancel was for: the request of that name is on its way between two
   of the kernel's lists, or has completed. In the first case the cancel is sent again. */
void kio_ring_cancel_again(kio_ring *ring, uint64_t id);
/* Takes the next request to be submitted; NULL: none. It is INFLIGHT now. */
static inline kio_request *kio_ring_next_queued(kio_ring *ring) {
  kio_link *link = kio_list_pop(&ring->queued);
  if (!link) return NULL;
  kio_request *request = KIO_CONTAINER(link, kio_request, link);
  kio_assert(request->state == KIO_REQUEST_QUEUED);
  request->state = KIO_REQUEST_INFLIGHT;
  return request;
}
/* Whether it was entered for a descriptor whose number was given back since: then its number is not
   to be used any more. */
bool kio_ring_is_stray(const kio_request *request);
kio_request *kio_ring_next_cancel(kio_ring *ring); /* one INFLIGHT whose cancel is to be sent */
/* Of kio_ring_complete: its result is negative. */
void kio_ring_note_failed(kio_ring *ring, const kio_request *request);
static inline void kio_ring_complete(kio_ring *ring, kio_request *request, int result) {
  kio_assert(kio_request_under_way(request));
  request->state = KIO_REQUEST_COMPLETE;
  request->result = result;
  if (kio_link_linked(&request->cancel_link)) kio_link_remove(&request->cancel_link);
  kio_list_push(&ring->completed, &request->link);
  kio_debug_assert(ring->pending > 0 || request->flags & KIO_REQUEST_SILENT);
  if (!(request->flags & KIO_REQUEST_SILENT)) ring->pending--;
  ring->stats.completions++;
  if (result < 0) kio_ring_note_failed(ring, request);
  /* Until its task has it, nobody is to close it by its number. */
  else if (kio_request_brings(request)) kio_number_own(result);
}
/* A result on the way. For an orphan, whom nobody expects it from, it is closed. */
void kio_ring_more(kio_ring *ring, kio_request *request, int result);
/* An INFLIGHT request that the kernel has given up for now is QUEUED again, in front of all
   others. */
void kio_ring_retry(kio_ring *ring, kio_request *request);
/* An INFLIGHT request has to wait for a moment, in a list of the backend's by `link`; ... */
void kio_ring_put_off(kio_request *request, kio_list *list);
/* ... and back, behind all others that are queued; or, `over`, to its end: -ECANCELED. */
void kio_ring_resume(kio_ring *ring, kio_request *request, bool over);
/* The INFLIGHT request of that name. A name whose tenancy has ended, or that has completed before,
   is counted as stale: NULL. */
static inline kio_request *kio_ring_find(kio_ring *ring, uint64_t id) {
  kio_request *request = kio_slab_find(&ring->slab, id);
  if (request && request->state == KIO_REQUEST_INFLIGHT) return request;
  kio_log_count(&ring->stats.stale, "a completion whose request had ended was dropped");
  return NULL;
}
/* kio_ring_complete by the request's name; nothing but a count when it is stale. */
void kio_ring_complete_id(kio_ring *ring, uint64_t id, int result);

#ifdef KIO_TEST
/* Between two entries: each list has what belongs there, and `pending` is right. The slab first:
   see kio_slab_verify. */
void kio_ring_verify(const kio_ring *ring);
#endif

/* The two real rings. Test builds also have kio_ring_sim. */
extern const kio_ring_backend kio_ring_uring;
extern const kio_ring_backend kio_ring_epoll;
#ifdef KIO_TEST
extern const kio_ring_backend kio_ring_sim;
#endif

#endif
