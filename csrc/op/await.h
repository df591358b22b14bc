/* A task's wait for a post of another thread: the end of a job, the answer to a call, a change of
   what threads share. The await lies in what the post is about, and that is held by an anchor, a
   userdata in the waiting frame. It ends in one of five ways: the post arrives; a cancel or a
   deadline gives it up; the collector finalizes the frame of a task that waits all the same;
   whoever waits stops; the scheduler ends. All waits for other threads are counted here and nowhere
   else (task/sched_inbox.h). The scheduler's thread only. */
#ifndef KIO_OP_AWAIT_H
#define KIO_OP_AWAIT_H

#include "task/member.h"
#include "task/task.h"

typedef struct kio_await kio_await;

typedef struct kio_await_kind {
  bool mutual; /* only a task of some worker can send the post */
  /* Nobody wants the post any more; not called in a forked child. False: it comes all the same, and
     ends the wait. */
  bool (*give_up)(kio_await *await);
  /* The anchor has let go: it may free what the await lies in. */
  void (*release)(kio_await *await);
} kio_await_kind;

struct kio_await {
  kio_member member;  /* of the scheduler, while somebody waits */
  kio_sched *sched;   /* that scheduler; NULL: nobody waits, or no longer */
  kio_task *task;     /* who is woken by the end of the wait; NULL: nobody */
  kio_await **anchor; /* the userdata that holds it; NULL: it has let go */
  bool arrived;       /* the post has come */
  const kio_await_kind *kind;
};

/* Pushes an anchor that holds nothing yet. May raise (memory). */
kio_await **kio_await_push_anchor(lua_State *L);
/* A new await, held by the anchor from now on. */
void kio_await_init(kio_await *await, const kio_await_kind *kind, kio_await **anchor);
/* The await of that kind whose anchor is at `index`, or an argument error. */
kio_await *kio_await_check(lua_State *L, int index, const kio_await_kind *kind);

/* A wait begins that wakes no task by itself. */
void kio_await_begin(kio_await *await, kio_sched *sched);
/* Begins a wait and parks the task until it ends; `what` is for people, and lives as long. */
int kio_await_park(lua_State *L, kio_task *task, kio_await *await, const char *what,
                   lua_KContext ctx, lua_KFunction k);
/* Begins a wait for a task that has just been made, and that starts when the wait ends. */
void kio_await_hold(kio_task *task, kio_await *await, const char *what);
/* The post has come: ends the wait, if there is one, and wakes its task. */
void kio_await_arrive(kio_await *await);
/* Whoever waits does not want it any more: gives it up and ends the wait, if there is one. */
void kio_await_stop(kio_await *await);
/* Nobody waits, and what came has been taken: the anchor lets go of the await. */
void kio_await_end(kio_await *await);

#endif
