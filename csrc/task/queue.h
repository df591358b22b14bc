/* Queues of waiting tasks, first come, first served. What lets one task wait for another is one:
   the end of a task, and all of kio.sync.
   A task waits in one queue by the waiter it carries, or in several at once by a kio_choice. Either
   way it is woken once, and from then on it is in none of them: who has been cancelled or has timed
   out never takes a wake-up, and who has been woken keeps it. */
#ifndef KIO_TASK_QUEUE_H
#define KIO_TASK_QUEUE_H

#include "base/base.h"
#include "base/list.h"

typedef struct kio_task kio_task;
typedef struct kio_choice kio_choice;

typedef struct kio_queue {
  kio_list waiters; /* kio_waiter, by link: first come first */
} kio_queue;

/* How a userdata begins that Lua can wait in, by wait_any (run/queue_lua.c). */
typedef struct kio_waitable {
  const void *tag; /* &kio_waitable_tag: tells the type faster than a metatable does */
  kio_queue queue; /* whoever waits */
} kio_waitable;

extern const char kio_waitable_tag;

typedef struct kio_waiter {
  kio_link link;      /* in a queue */
  kio_choice *choice; /* of which it is one waiter; NULL: it is the one its task carries */
} kio_waiter;

/* One task that waits in several queues until the first of them wakes it. */
struct kio_choice {
  kio_task *task; /* who waits; NULL: nobody, no waiter is in a queue */
  int winner;     /* which waiter was woken */
  int count;      /* how many there are */
  kio_waiter waiters[];
};

static inline void kio_queue_init(kio_queue *queue) {
  kio_list_init(&queue->waiters);
}

/* Makes one, empty. */
static inline void kio_waitable_init(kio_waitable *waitable) {
  waitable->tag = &kio_waitable_tag;
  kio_queue_init(&waitable->queue);
}

static inline bool kio_queue_empty(const kio_queue *queue) {
  return kio_list_empty(&queue->waiters);
}

/* Puts a task that is about to park at the end of a queue; it parks with kio_queue_abandon. */
void kio_queue_push(kio_queue *queue, kio_task *task);
/* kio_queue_push for a choice: opened for its task, its waiters go into their queues in turn. */
void kio_choice_open(kio_choice *choice, kio_task *task, int count);
void kio_choice_push(kio_choice *choice, int index, kio_queue *queue);
/* Its memory goes: a task that still waits by it is woken. */
void kio_choice_fini(kio_choice *choice);

/* Wakes the first task; NULL: nobody waits. `which` tells by which waiter of its choice, -1: it
   waits in this queue only. */
kio_task *kio_queue_wake(kio_queue *queue, int *which);
/* Wakes them all; also when the queue is about to go. */
void kio_queue_wake_all(kio_queue *queue);

#ifdef KIO_TEST
/* Whoever is in the queue waits, and in no other but by its choice. */
void kio_queue_verify(const kio_queue *queue);
#endif

/* Takes a task out of every queue it waits in; nothing when it is in none. Does not wake it. */
void kio_queue_leave(kio_task *task);
/* The kio_abandon_fn of those who wait here: leaves and wakes. */
void kio_queue_abandon(kio_task *task);

#endif
