/* Accepts for loops over a listener: many connections with one request, which the kernel goes on
   with as long as somebody waits for the next one. What has come and is not taken yet waits here,
   a descriptor or an error for each task that waited. */
#ifndef KIO_NET_ACCEPTOR_H
#define KIO_NET_ACCEPTOR_H

#include "ring/request.h"
#include "task/member.h"
#include "task/queue.h"
#include "task/task.h"

typedef struct kio_acceptor {
  kio_member member;    /* of the scheduler it last worked on */
  kio_sched *sched;     /* that scheduler; NULL: none, nothing is under way */
  int fd;               /* the listener's; -1: closed */
  bool dropped;         /* frees itself when nothing is under way: its listener is gone */
  bool pausing;         /* the request is being cancelled, and by us */
  kio_request *request; /* under way; NULL: none */
  kio_queue waiters;    /* tasks that wait for a connection: then a request is under way */
  int *arrived;         /* a ring of descriptors that nobody has taken, or -errno */
  size_t room;          /* slots there */
  size_t first;         /* the oldest */
  size_t count;         /* how many */
  size_t promised;      /* of these, how many belong to tasks that were woken for them */
} kio_acceptor;

/* For the listener on fd, which stays its owner's. NULL when memory is out. */
kio_acceptor *kio_acceptor_new(int fd);
/* Its listener closes: what has come and nobody has taken is closed, and waiters get EBADF once the
   request under way has been cut off, which is the caller's part. It frees itself then. */
void kio_acceptor_drop(kio_acceptor *acceptor);
/* Makes it work on this scheduler. False while it works on another one. */
bool kio_acceptor_attach(kio_acceptor *acceptor, kio_sched *sched);
/* The next descriptor, or -errno; false: the task has to wait. `woken`: it has been, for that. */
bool kio_acceptor_take(kio_acceptor *acceptor, bool woken, int *outcome);
/* The task, about to park with kio_acceptor_abandon, waits for the next one. 0, -EBADF, -ENOMEM. */
int kio_acceptor_await(kio_acceptor *acceptor, kio_task *task);
/* The kio_abandon_fn of that task. */
void kio_acceptor_abandon(kio_task *task);

#endif
