/* How a task waits for what threads share (thread/awaiter.h). The order is: kio_await_new; the call
   that lists `awaiter`, or finds that there is no need to wait; kio_await_park, or kio_await_end;
   and kio_await_end in the continuation, when awaiter.answer and awaiter.parcel have been looked
   at. A watch is an await whose answer wakes who waits in a queue of its own: so a task can wait
   for several things at once, some of them another thread's. */
#ifndef KIO_WORKER_AWAIT_H
#define KIO_WORKER_AWAIT_H

#include "task/member.h"
#include "task/queue.h"
#include "task/task.h"
#include "thread/awaiter.h"
#include "worker/shared.h"

typedef struct kio_await {
  kio_awaiter awaiter;
  kio_member member; /* of its scheduler, while a task waits */
  kio_sched *sched;  /* that scheduler, while a task waits */
  pid_t process;     /* where it was made */
  kio_task *task;    /* that task; NULL: none, or no longer */
  const kio_shared_kind *kind;
  void *object;              /* what is waited for: a reference */
  struct kio_await **anchor; /* what Lua keeps alive; NULL: it is gone */
  kio_queue *queue;          /* of a watch, woken by the answer; NULL: the task is */
  bool posted;               /* listed, or its post is on the way */
} kio_await;

/* Starts the task's timer and makes an await, anchored by the value it pushes. NULL after pushing a
   message instead: then nothing has begun. */
kio_await *kio_await_new(lua_State *L, kio_task *task, const kio_shared *shared,
                         int64_t timeout_ns);
/* A listed await: parks the task, which goes on in `k` with the await as its context; `what` is a
   constant that tells people what it waits for. */
int kio_await_park(lua_State *L, kio_await *await, kio_task *task, const char *what,
                   lua_KFunction k);
/* An await that is a watch, anchored by the value it pushes; raises when memory is out. */
kio_await *kio_watch_new(lua_State *L, kio_task *task, const kio_shared *shared);
/* A listed watch, and the task will wait in its queue: returns 1. Not listed, being `ready`: ends
   it and returns 0. */
int kio_watch_begin(kio_await *watch, kio_task *task, bool ready);
/* The wait is over; what is left in awaiter.parcel is given back or freed. */
void kio_await_end(kio_await *await);
/* There is no need to wait: it was not listed. */
void kio_await_spare(kio_await *await, kio_task *task);
/* In the continuation, when it was not answered DONE: ends it and raises Cancelled, or returns 3
   after pushing nil, message, "ETIMEDOUT" or "EPIPE"; `what` was to be done. */
int kio_await_fail(lua_State *L, kio_await *await, const char *what);

#endif
