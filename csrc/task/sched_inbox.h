/* How a scheduler hears of other threads. Its inbox is made when first asked for. */
#ifndef KIO_TASK_SCHED_INBOX_H
#define KIO_TASK_SCHED_INBOX_H

#include "task/here.h"

/* The inbox, made when first asked for; NULL with *err set. */
kio_inbox *kio_sched_inbox(kio_sched *sched, int *err);
/* The pool of its runtime, likewise. */
kio_pool *kio_sched_pool(kio_sched *sched, int *err);
/* With an inbox, once a turn: does what others have posted, and may take a job. */
void kio_sched_take_posts(kio_sched *sched);
/* With an inbox: whether it would find any of these. */
bool kio_sched_has_posts(const kio_sched *sched);
/* With an inbox, before waiting: a post that comes from now on ends the wait, and so does a job
   somebody offers. False: one is there. */
bool kio_sched_sleep(kio_sched *sched);
/* Whether somebody may still post what is waited for here. */
bool kio_sched_awaits_posts(const kio_sched *sched);

#endif
