/* The inbox: the only door by which another thread (or a signal handler) reaches a scheduler. Any
   thread posts; the owner takes all of it once a turn, in order.

   One atomic word tells everything: NULL (empty, the owner is awake), ASLEEP (empty, the owner is
   in the kernel or about to be), CLOSED, or the newest post, which names the one before it. So
   there is no pair of flags whose order could go wrong:
   - The owner sleeps only by turning NULL into ASLEEP in one step; a post that came before makes
     that step fail, and the owner looks at it instead of sleeping.
   - A poster that replaces ASLEEP, and only that one, wakes: one write to the eventfd per sleep,
     and none at all while the owner is awake. The write outlives the step: the eventfd is read by a
     request of the ring that is in flight whenever the owner waits, so it ends the wait also when
     it comes before the kernel was entered.
   - Closing exchanges the word for CLOSED: what was posted before is handed to the closer, what
     comes after is refused. Nothing is in between, so a message is received or refused, never lost.
   - Somebody with work for any of several (an offer in a queue of its own) puts it there first and
     then turns ASLEEP into NULL: who does that wakes. The owner looks at that queue after its own
     step to ASLEEP, so one of the two sees the other. spec/c/inbox_model.c visits every
     interleaving of these steps and finds each breakage of them; spec/c/inbox.c posts ten million
     times. It has a reference count: the owner and everybody who may post hold one, so the
     eventfd outlives every poster. */
#ifndef KIO_THREAD_INBOX_H
#define KIO_THREAD_INBOX_H

#include "base/base.h"

typedef struct kio_inbox kio_inbox;
typedef struct kio_post kio_post;

/* Something on its way to another thread; it lies in what it tells about. */
struct kio_post {
  kio_post *next; /* in the inbox: the one posted before; taken: the one to arrive after */
  /* Called by the owner's loop, outside of any task, with the scheduler. Must not raise. */
  void (*arrive)(kio_post *post, void *sched);
  /* Called instead, in the owner's thread, when the inbox is closed with the post in it. */
  void (*drop)(kio_post *post);
};

/* A new inbox with one reference, awake. NULL with *err set to a negative errno. */
kio_inbox *kio_inbox_new(int *err);
/* Takes another reference; from whoever holds one. */
kio_inbox *kio_inbox_ref(kio_inbox *inbox);
/* Gives one back, from any thread; the last one frees it. NULL is allowed. */
void kio_inbox_unref(kio_inbox *inbox);

/* Posts, from any thread that holds a reference; wakes a sleeping owner. False: the inbox is closed
   and the post stays the caller's. Never blocks. */
bool kio_inbox_post(kio_inbox *inbox, kio_post *post);
/* kio_inbox_post for those who post under a lock: does not wake, but tells in *asleep that
   kio_inbox_wake must follow. */
bool kio_inbox_put(kio_inbox *inbox, kio_post *post, bool *asleep);
/* Ends the owner's present or next wait without a post. May be called by a signal handler. */
void kio_inbox_wake(kio_inbox *inbox);

/* Whether the owner sleeps, or is about to, and nothing has been posted. */
bool kio_inbox_asleep(kio_inbox *inbox);
/* Wakes the owner if it sleeps: true then. For those who have work for any of several. */
bool kio_inbox_rouse(kio_inbox *inbox);

/* The owner only: */
/* Takes all posts, oldest first, linked by `next`; awake from now on. */
kio_post *kio_inbox_take(kio_inbox *inbox);
/* Whether something has been posted. */
bool kio_inbox_has(kio_inbox *inbox);
/* Goes to sleep unless something has been posted. False: awake still, look at the inbox first. */
bool kio_inbox_sleep(kio_inbox *inbox);
/* Refuses posts from now on, and drops those that are there. Twice is allowed. */
void kio_inbox_close(kio_inbox *inbox);
/* The eventfd, for the ring to read 8 bytes from. It belongs to the inbox. */
int kio_inbox_fd(const kio_inbox *inbox);

#endif
