/* How a task waits for what threads share (thread/awaiter.h). The order is: kio_shared_wait_new;
   the call that lists `awaiter`, or finds that there is no need to wait; kio_shared_wait_park, or
   kio_shared_wait_spare; and in the continuation, when awaiter.answer and awaiter.parcel have been
   looked at, kio_shared_wait_end or kio_shared_wait_fail. A watch is such a wait whose answer wakes
   who waits in a queue of its own: so a task can wait for several things at once, some of them
   another thread's. */
#ifndef KIO_WORKER_SHARED_WAIT_H
#define KIO_WORKER_SHARED_WAIT_H

#include "op/await.h"
#include "task/queue.h"
#include "thread/awaiter.h"
#include "worker/shared.h"

typedef struct kio_shared_wait {
  kio_awaiter awaiter;
  kio_await await;
  const kio_shared_kind *kind;
  void *object;     /* what is waited for: a reference */
  kio_queue *queue; /* of a watch, woken by the answer; NULL: the task is */
  pid_t process;    /* where it was made */
  bool posted;      /* listed, or its post is on the way */
} kio_shared_wait;

/* Starts the task's timer and makes a wait, anchored by the value it pushes. NULL after pushing a
   message instead: then nothing has begun. */
kio_shared_wait *kio_shared_wait_new(lua_State *L, kio_task *task, const kio_shared *shared,
                                     int64_t timeout_ns);
/* A listed wait: parks the task, which goes on in `k` with the wait as its context; `what` is a
   constant that tells people what it waits for. */
int kio_shared_wait_park(lua_State *L, kio_task *task, kio_shared_wait *wait, const char *what,
                         lua_KFunction k);
/* A wait that was not listed, for there is no need to: ends it. */
void kio_shared_wait_spare(kio_task *task, kio_shared_wait *wait);
/* Ends a wait; what is left in awaiter.parcel is given back or freed. */
void kio_shared_wait_end(kio_shared_wait *wait);
/* A wait that was not answered DONE: ends it and raises Cancelled, or returns 3 after pushing nil,
   message, "ETIMEDOUT" or "EPIPE"; `what` was to be done. */
int kio_shared_wait_fail(lua_State *L, kio_shared_wait *wait, const char *what);

/* A wait that is a watch, anchored by the value it pushes; raises when memory is out. */
kio_shared_wait *kio_shared_watch_new(lua_State *L, kio_task *task, const kio_shared *shared);
/* A listed watch: the task will wait in its queue; returns 1. Not listed, being `ready`: ends it
   and returns 0. */
int kio_shared_watch_begin(kio_shared_wait *watch, kio_task *task, bool ready);

#endif
