/* How a scheduler hears of other threads. Its inbox is made when first asked for.

   When is there a deadlock? A task may wait for a post of another thread, so an empty ready queue,
   no timer and nothing in the kernel do not suffice. Each such wait (op/await.c) counts as
   `expected`. Some posts come by themselves: a job of the pool ends without anybody's help. Others
   only a task of some worker can send: a message, the answer to a call; those waits count as
   `mutual` too. As long as `expected` is larger than `mutual` something will come. When the two are
   equal, everything depends on tasks: of this worker, which all wait, or of others. A worker alone
   in its runtime is deadlocked then (kio_sched_awaits_posts). One of several marks itself `idle`
   before it sleeps, and the one that finds all of them idle, every inbox asleep and empty, no offer
   left and the pool at rest, tells worker 1 (thread/idle.c). `slept` says that the inbox was marked
   asleep for the wait that has just ended: only then was the loop woken on purpose, perhaps for an
   offer. */
#ifndef KIO_TASK_SCHED_INBOX_H
#define KIO_TASK_SCHED_INBOX_H

#include "task/here.h"

/* The inbox, made when first asked for; NULL with *err set. */
kio_inbox *kio_sched_inbox(kio_sched *sched, int *err);
/* The pool of its runtime, made when first asked for; NULL with *err set. */
kio_pool *kio_sched_pool(kio_sched *sched, int *err);
/* With an inbox, once a turn: does what others have posted, and may take an offer. */
void kio_sched_take_posts(kio_sched *sched);
/* With an inbox: whether it would find any of these. */
bool kio_sched_has_posts(const kio_sched *sched);
/* With an inbox, before waiting: a post that comes from now on ends the wait, and so does an offer.
   False: one is there. */
bool kio_sched_sleep(kio_sched *sched);
/* Whether somebody may still post what is waited for here. */
bool kio_sched_awaits_posts(const kio_sched *sched);

#endif
