/* The operations, and the one place that tells what is true of each. A new operation is entered in
   the enum, in the table of op_facts.c, and in what the engines do with it (ring/uring_prep.c). */
#ifndef KIO_RING_OP_FACTS_H
#define KIO_RING_OP_FACTS_H

#include <poll.h>

#include "base/base.h"

typedef enum kio_op {
  KIO_OP_READ,      /* arg.io: into buf, at offset (-1: the current position) */
  KIO_OP_WRITE,     /* arg.io: from buf, at offset (-1: the current position) */
  KIO_OP_READV,     /* arg.vec: into iov[count] */
  KIO_OP_WRITEV,    /* arg.vec: from iov[count] */
  KIO_OP_FSYNC,     /* arg.sync */
  KIO_OP_FALLOCATE, /* arg.extent */
  KIO_OP_FTRUNCATE, /* arg.extent.length */
  KIO_OP_OPENAT,    /* arg.path: result is a descriptor */
  KIO_OP_UNLINKAT,  /* arg.path */
  KIO_OP_MKDIRAT,   /* arg.path */
  KIO_OP_RENAMEAT,  /* arg.path: from name to name2 */
  KIO_OP_SYMLINKAT, /* arg.path: a link called name that leads to name2 */
  KIO_OP_STATX,     /* arg.path: into out */
  KIO_OP_CLOSE,     /* fd alone */
  KIO_OP_ACCEPT,    /* arg.accept: address is filled with the peer's; result is a descriptor */
  KIO_OP_CONNECT,   /* arg.address */
  KIO_OP_RECV,      /* arg.io with flags; buf NULL: into a buffer that is lent on arrival */
  KIO_OP_SEND,      /* arg.io with flags; MSG_NOSIGNAL is always added */
  KIO_OP_RECVMSG,   /* arg.message */
  KIO_OP_SENDMSG,   /* arg.message; MSG_NOSIGNAL is always added */
  KIO_OP_SHUTDOWN,  /* arg.how */
  KIO_OP_POLL,      /* arg.events: result is the events that are ready */
  KIO_OP_SPLICE,    /* arg.splice */
  KIO_OP_COUNT      /* not an operation: how many there are */
} kio_op;

/* Which member of kio_arg an operation uses. */
typedef enum kio_op_arg {
  KIO_ARG_NONE,    /* fd alone */
  KIO_ARG_IO,      /* io */
  KIO_ARG_VEC,     /* vec */
  KIO_ARG_SYNC,    /* sync */
  KIO_ARG_EXTENT,  /* extent */
  KIO_ARG_PATH,    /* path */
  KIO_ARG_ACCEPT,  /* accept */
  KIO_ARG_ADDRESS, /* address */
  KIO_ARG_MESSAGE, /* message */
  KIO_ARG_SPLICE,  /* splice */
  KIO_ARG_HOW,     /* how */
  KIO_ARG_EVENTS   /* events: what it waits for */
} kio_op_arg;

/* Who serves an operation in steps (ring/step.c), for it might wait where it must not. */
typedef enum kio_op_steps {
  KIO_STEPS_NEVER,    /* nobody: it waits for nothing but what an event tells */
  KIO_STEPS_OF_URING, /* io_uring, which would wait in a kernel thread */
  KIO_STEPS_ALWAYS    /* every engine: no event tells when it is ready */
} kio_op_steps;

typedef struct kio_op_facts {
  const char *name; /* the user's, as errors and reports tell it */
  kio_op_arg arg;   /* where its arguments are */
  short ready;      /* POLLIN or POLLOUT: what it waits for on its descriptor; 0: for nobody */
  bool of_socket; /* on sockets only; what waits and is not may be on a file, and waits not there */
  bool moves_bytes;   /* its result counts them, and may be less than was asked for */
  bool brings_fd;     /* its result is a descriptor */
  kio_op_steps steps; /* who may serve it in steps */
} kio_op_facts;

extern const kio_op_facts kio_op_facts_of[KIO_OP_COUNT] __attribute__((visibility("hidden")));

/* What is true of an operation. */
static inline const kio_op_facts *kio_op_look(unsigned op) {
  kio_assert(op < KIO_OP_COUNT);
  return &kio_op_facts_of[op];
}
/* Whether it may be served in steps by an engine that needs them for `least` and what is above. */
static inline bool kio_op_in_steps(unsigned op, kio_op_steps least) {
  return kio_op_look(op)->steps >= least;
}
/* The user's name of an operation: "read", "accept", ... */
static inline const char *kio_op_name(unsigned op) {
  return kio_op_look(op)->name;
}
/* The operation of that name; KIO_OP_COUNT when there is none. */
kio_op kio_op_named(const char *name);

#endif
