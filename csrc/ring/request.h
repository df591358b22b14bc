/* A request: one kernel operation, from queued to its last completion. It completes exactly once.
   Its slot never moves, and it owns whatever the kernel may read or write until that completion:
   small things lie inline in `arg`, bytes in `buffer`. A slot's generation changes each time it is
   given back, so a stale completion or cancel never reaches the next tenant. */
#ifndef KIO_RING_REQUEST_H
#define KIO_RING_REQUEST_H

#include <errno.h>
#include <sys/uio.h>

#include "base/base.h"
#include "base/list.h"
#include "ring/block.h"
#include "ring/buffer.h"
#include "ring/op_facts.h"
#include "system/address.h"

typedef struct kio_arg_io {
  void *buf;       /* owned by the request, its owner, or anchored in Lua; recv: or NULL */
  size_t size;     /* bytes at buf */
  uint64_t offset; /* (uint64_t)-1: the current position */
  int flags;       /* MSG_ flags of send and recv */
} kio_arg_io;

typedef struct kio_arg_path {
  const char *name;  /* in the request's buffer, behind room for a struct statx */
  const char *name2; /* renameat, symlinkat: in the request's buffer */
  int fd2;           /* renameat: the second directory */
  unsigned flags;    /* O_, AT_ or RENAME_ flags */
  unsigned mode;     /* mode bits, or statx's mask */
  unsigned resolve;  /* openat: RESOLVE_ flags of openat2(2), without O_CREAT; 0: the older call */
} kio_arg_path;

typedef struct kio_arg_message {
  struct msghdr *header; /* in the request's buffer, or its owner's */
  int flags;             /* MSG_ flags */
} kio_arg_message;

typedef struct kio_request kio_request;

/* A result on the way, of a request that brings many. Called while completions are collected: may
   wake tasks, must not queue or cancel. */
typedef void (*kio_more_fn)(kio_request *request, int result);

typedef union kio_arg {
  kio_arg_io io;
  struct {
    struct iovec *iov; /* in the request's buffer, or its owner's */
    unsigned count;
    uint64_t offset;
  } vec;
  struct {
    bool data_only; /* fdatasync */
  } sync;
  struct {
    int mode;
    uint64_t offset;
    uint64_t length;
  } extent;
  kio_arg_path path;
  kio_sockaddr *address; /* in the request's buffer */
  struct {
    kio_sockaddr *address; /* the same; NULL with `more` */
    kio_more_fn more;      /* it goes on, and tells each descriptor but the last; NULL: one only */
  } accept;
  kio_arg_message message;
  struct {
    int64_t in_offset;
    int64_t out_offset;
    int in; /* read from here; the request's fd is written to */
    uint32_t size;
    uint32_t held;  /* the backend's: bytes on their way, in the request's buffer */
    uint32_t moved; /* and how many of them have arrived */
  } splice;
  int how;         /* SHUT_RD, SHUT_WR or SHUT_RDWR */
  unsigned events; /* POLLIN and friends */
} kio_arg;

typedef enum kio_request_state {
  KIO_REQUEST_FREE,     /* in the slab's free list */
  KIO_REQUEST_IDLE,     /* taken, not yet queued: may be given back */
  KIO_REQUEST_QUEUED,   /* waits for room, a buffer or a moment: the kernel has it not */
  KIO_REQUEST_INFLIGHT, /* the kernel has it */
  KIO_REQUEST_COMPLETE, /* its result is final and in the ring's completed list */
  KIO_REQUEST_DONE      /* popped from there: may be given back */
} kio_request_state;

enum {
  KIO_REQUEST_CANCELLING = 1 << 0, /* a cancel is on its way to the kernel */
  KIO_REQUEST_ORPHAN = 1 << 1,     /* nobody will receive the result: dispose of it */
  KIO_REQUEST_CLOSED = 1 << 2,     /* cut off by a close of its descriptor */
  KIO_REQUEST_OWNS_FD = 1 << 3,    /* its descriptor is nobody else's: an orphan's is closed */
  KIO_REQUEST_SEEN = 1 << 4,       /* ring/rig.c has looked whether a fault is for it */
  KIO_REQUEST_BLOCK = 1 << 5,      /* it holds a block in place of a buffer */
  KIO_REQUEST_SILENT = 1 << 6,     /* nobody's operation: not counted as pending (a wake-up) */
  KIO_REQUEST_MORE = 1 << 7,       /* received: the socket held more than that */
};

/* One tenancy more, in the name that the kernel knows a request by; a name is never 0. */
#define KIO_REQUEST_TENANCY ((uint64_t)1 << 32)

/* What completion means to the owner. Runs in the loop after all completions are collected; may
   queue requests and wake tasks, never runs Lua. */
typedef void (*kio_done_fn)(kio_request *request);

typedef struct kio_fd_ref {
  kio_link link;   /* in the list of one descriptor, while it is entered there */
  uint32_t tenant; /* who had its number when it was entered */
  uint32_t slot;   /* which of its request's references this is */
} kio_fd_ref;

struct kio_request {
  kio_link link;        /* in the ring's queue or its completed list; in flight: the backend's */
  kio_link cancel_link; /* in the ring's list of cancels to send */
  kio_fd_ref fd_ref[2]; /* in the descriptor table: for fd, and for splice's second one */
  uint64_t id;          /* its name: the number of its present tenancy above that of its slot */
  uint8_t op;           /* kio_op */
  uint8_t state;        /* kio_request_state */
  uint8_t flags;        /* KIO_REQUEST_ flags */
  bool again : 1;       /* for want of a descriptor it is tried a second time */
  bool try_once : 1;    /* its cancel is to end the wait, not to come before a try */
  uint8_t step : 3;     /* the backend's: which of its steps is under way; 0: none yet */
  uint8_t tries : 3;    /* times it was ready and was not after all: the next try waits longer */
  int fd;               /* the descriptor (or directory) worked on; negative: none or AT_FDCWD */
  int result;           /* as the kernel gives it: negative errno; before: the backend's progress */
  uint32_t due_ms;      /* put off by its backend: until when; offloaded: which work it is */
  kio_done_fn done;     /* called once, when complete */
  void *owner;          /* whom `done` tells: a task, a stream */
  union {
    kio_buffer buffer; /* the request's while it lasts; data may be NULL */
    kio_block *block;  /* with KIO_REQUEST_BLOCK: the program's own */
  };
  kio_arg arg; /* what the operation needs, by `op` */
};

typedef struct kio_slab {
  kio_request **chunks; /* each KIO_SLAB_CHUNK requests, never moved */
  size_t chunk_count;   /* chunks allocated */
  kio_list free;        /* slots ready for use, by `link` */
  size_t taken;         /* slots in use */
} kio_slab;

/* Without slots: they are made when they are needed. */
void kio_slab_init(kio_slab *slab);
/* Frees the slots; none may be in the kernel. */
void kio_slab_fini(kio_slab *slab);
/* kio_slab_take when none is free: makes some. False when memory is out. */
bool kio_slab_grow(kio_slab *slab);
/* A slot in state IDLE, zeroed but for its identity; NULL when memory is out. */
static inline kio_request *kio_slab_take(kio_slab *slab) {
  if (kio_list_empty(&slab->free) && !kio_slab_grow(slab)) return NULL;
  kio_request *request = KIO_CONTAINER(kio_list_pop(&slab->free), kio_request, link);
  kio_assert(request->state == KIO_REQUEST_FREE);
  request->state = KIO_REQUEST_IDLE;
  request->flags = 0;
  request->again = request->try_once = false;
  request->step = 0;
  request->tries = 0;
  request->result = 0;
  request->buffer = (kio_buffer){NULL, 0};
  slab->taken++;
  return request;
}
/* Gives back an IDLE or DONE slot. Its buffer must have been given back or moved out before. */
static inline void kio_slab_give(kio_slab *slab, kio_request *request) {
  kio_assert(request->state == KIO_REQUEST_IDLE || request->state == KIO_REQUEST_DONE);
  kio_assert(!request->buffer.data && !kio_link_linked(&request->cancel_link));
  kio_assert(!kio_link_linked(&request->fd_ref[0].link) &&
             !kio_link_linked(&request->fd_ref[1].link));
  kio_debug_assert(slab->taken > 0);
  request->id += KIO_REQUEST_TENANCY;
  request->state = KIO_REQUEST_FREE;
  slab->taken--;
  kio_list_push_front(&slab->free, &request->link); /* the warmest slot is used next */
}
#ifdef KIO_TEST
/* The state of every slot agrees with the lists and the memory that it has. */
void kio_slab_verify(const kio_slab *slab);
#endif
/* The number of its slot, from 0. */
static inline uint32_t kio_request_index(const kio_request *request) {
  return (uint32_t)request->id - 1;
}
/* A DONE slot becomes IDLE again for the same owner, under a new name. */
static inline void kio_request_renew(kio_request *request) {
  kio_assert(request->state == KIO_REQUEST_IDLE || request->state == KIO_REQUEST_DONE);
  request->id += KIO_REQUEST_TENANCY;
  request->state = KIO_REQUEST_IDLE;
  request->flags = 0;
  request->again = request->try_once = false;
  request->step = 0;
  request->tries = 0;
}
/* So many waits like this one were followed by a try in vain: it begins with a pause, the longer
   the more they were, whatever looks ready. For a poll that has not begun. */
static inline void kio_request_distrust(kio_request *request, size_t tries) {
  enum { MOST = 7 }; /* what the field holds */
  request->tries = (tries < MOST ? tries : MOST) & MOST;
}
/* Whether it brings many results: `more` gets them, and the last one completes it. */
static inline bool kio_request_goes_on(const kio_request *request) {
  return request->op == KIO_OP_ACCEPT && request->arg.accept.more;
}
/* Whether its result is a new descriptor. */
static inline bool kio_request_brings(const kio_request *request) {
  return kio_op_facts_of[request->op].brings_fd;
}
/* How many descriptors it had no room for: the one that it brings, or the two that a splice needs
   meanwhile. 0: none, or it has not failed for that. */
static inline int kio_request_lacks_fds(const kio_request *request) {
  if (request->result != -EMFILE && request->result != -ENFILE) return 0;
  return request->op == KIO_OP_SPLICE ? 2 : kio_request_brings(request);
}
/* Whether it comes without a buffer: what it receives is in request->buffer when it has completed,
   at most arg.io.size bytes, which are no more than KIO_BUFFER_MIN. */
static inline bool kio_request_borrows(const kio_request *request) {
  return request->op == KIO_OP_RECV && !request->arg.io.buf;
}
/* The descriptor that the reference of that slot is to. */
static inline int kio_request_fd(const kio_request *request, uint32_t slot) {
  return slot == 0 ? request->fd : request->arg.splice.in;
}
/* Of a request by name: where statx writes, at the beginning of its buffer; NULL: it has none. */
static inline struct statx *kio_request_statx(const kio_request *request) {
  return (struct statx *)(void *)request->buffer.data;
}
/* Whether it is queued or in the kernel. */
static inline bool kio_request_under_way(const kio_request *request) {
  return request->state == KIO_REQUEST_QUEUED || request->state == KIO_REQUEST_INFLIGHT;
}
/* The slot of that index, in use or not; NULL behind the last one. */
static inline kio_request *kio_slab_at(const kio_slab *slab, uint64_t index) {
  uint64_t chunk = index / KIO_SLAB_CHUNK;
  return chunk < slab->chunk_count ? &slab->chunks[chunk][index % KIO_SLAB_CHUNK] : NULL;
}
/* The request of that name, or NULL when its tenancy has ended. */
static inline kio_request *kio_slab_find(const kio_slab *slab, uint64_t id) {
  kio_request *request = kio_slab_at(slab, (id & UINT32_MAX) - 1); /* of id 0: beyond every slot */
  return request && request->id == id && request->state != KIO_REQUEST_FREE ? request : NULL;
}

#endif
