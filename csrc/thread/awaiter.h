/* An awaiter: the wait of one task for something that threads share, a channel or an event. That
   one lists it under its lock and answers it at most once, by a post to the inbox of the task's
   worker. From the answer on it belongs to that worker again, which hears of it by the post; a
   worker that gives up a wait must leave the list first, and learns then whether that was late. */
#ifndef KIO_THREAD_AWAITER_H
#define KIO_THREAD_AWAITER_H

#include <pthread.h>

#include "base/list.h"
#include "thread/inbox.h"
#include "thread/parcel.h"

typedef enum kio_answer {
  KIO_ANSWER_NONE,  /* not yet; or never, its inbox being closed */
  KIO_ANSWER_DONE,  /* what it waited for has been done */
  KIO_ANSWER_CLOSED /* what it waited for will never be */
} kio_answer;

typedef struct kio_awaiter {
  kio_post post;         /* the answer; its functions are set by the worker */
  kio_link link;         /* in the list of those that wait, under `lock` */
  pthread_mutex_t *lock; /* of what it waits for, once it is listed */
  kio_inbox *inbox;      /* of the worker, which keeps it alive */
  kio_parcel parcel; /* what it offers, until it is taken; or what it is given with the answer */
  uint8_t answer;    /* kio_answer; under `lock` until the post has arrived */
} kio_awaiter;

/* Puts it at the end of a list, whose lock is held. */
void kio_awaiter_list(kio_awaiter *awaiter, kio_list *list, pthread_mutex_t *lock);
/* Takes the first one out of a list, under its lock; NULL: nobody waits. */
kio_awaiter *kio_awaiter_pop(kio_list *list);
/* Answers one that has just been taken out of its list, under the lock. False: its inbox is closed,
   and nothing is changed. Who must be woken comes as *sleeper, with a reference, to be given to
   kio_awaiter_wake after the lock; there may be one already, then this one is woken at once. */
bool kio_awaiter_answer(kio_awaiter *awaiter, kio_answer answer, kio_inbox **sleeper);
/* Takes them all out of a list and answers them, under its lock. */
void kio_awaiter_answer_all(kio_list *list, kio_answer answer, kio_inbox **sleeper);
/* Wakes it and gives the reference back; NULL is allowed. */
void kio_awaiter_wake(kio_inbox *sleeper);
/* One that has been listed gives up, on its worker's thread. False: it has been answered, and the
   post is on its way. */
bool kio_awaiter_leave(kio_awaiter *awaiter);

#endif
