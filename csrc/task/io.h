/* Requests of a scheduler: entered in the descriptor table, their owners notified, their results
   disposed of when nobody takes them. All called by the scheduler's thread. */
#ifndef KIO_TASK_IO_H
#define KIO_TASK_IO_H

#include "task/here.h"

/* A request on fd for `owner`, entered in the descriptor table. 0, -EBADF or -ENOMEM. */
int kio_sched_request(kio_sched *sched, kio_op op, int fd, void *owner, kio_done_fn done,
                      kio_request **out);
/* close(2), for every descriptor of ours, also outside a run: what is under way on it here is asked
   to end, and who waits for one is woken. */
int kio_sched_close_fd(int fd);
/* A descriptor has become free, or whatever else those wait for: all of them try again. */
static inline void kio_sched_freed(kio_sched *sched) {
  if (!kio_queue_empty(&sched->short_of)) kio_queue_wake_all(&sched->short_of);
}
/* Gives a request back with its buffer. It must be IDLE or DONE. */
void kio_sched_release(kio_sched *sched, kio_request *request);
/* kio_sched_release for one whose result nobody takes: the descriptor it brought, or owns, is
   closed. */
void kio_sched_dispose(kio_sched *sched, kio_request *request);
/* Nobody waits for this request any more: it is cancelled, and disposed of when it ends. */
void kio_sched_orphan(kio_sched *sched, kio_request *request);
/* Tells the owners of what has completed. */
void kio_sched_tell_owners(kio_sched *sched);

#endif
