/* What hangs on a scheduler and must be notified of its turns and its end: a stream, a socket, a
   wait for another thread. */
#ifndef KIO_TASK_MEMBER_H
#define KIO_TASK_MEMBER_H

#include "base/list.h"

typedef struct kio_sched kio_sched;
typedef struct kio_task kio_task;

typedef struct kio_member kio_member;

/* What members of one kind do when they are notified; of these functions all but `detach` may be
   NULL: there is nothing to do. */
typedef struct kio_member_kind {
  void (*flush)(kio_member *member);  /* queue what has been gathered in this turn */
  void (*detach)(kio_member *member); /* the scheduler ends: forget it */
  /* Whether output of it has not left yet. */
  bool (*unsent)(const kio_member *member);
  /* Whether it has gathered output that waits for more; the end of the run lets that go. */
  bool (*holds)(const kio_member *member);
  /* A coroutine in which the task waited was closed by others: nothing goes on there. */
  void (*forget)(kio_member *member, const kio_task *task);
  /* In test builds called after a turn, no task running: kio_asserts what must be true of it then;
     set by kio_test_only(verify). See task/sched_verify.h. */
  void (*verify)(const kio_member *member);
} kio_member_kind;

/* Something that is notified when the loop turns or ends: a stream. There may be many. */
struct kio_member {
  kio_link link;               /* in the scheduler's `members` */
  kio_link dirty_link;         /* in its `dirty`, when it wants to queue output */
  const kio_member_kind *kind; /* set by whoever makes it */
};

/* The member, its kind set, is notified of the turns and the end of this scheduler. */
void kio_sched_join(kio_sched *sched, kio_member *member);
/* No longer: one that has joined, and has not been detached. */
void kio_sched_leave(kio_member *member);
/* Has kind->flush called before the next kernel entry. */
void kio_sched_dirty(kio_sched *sched, kio_member *member);
/* Once a turn: those with gathered output queue it. */
void kio_sched_flush_members(kio_sched *sched);
/* Nobody is left who would let held output go: it leaves with the next flush. Whether there is
   any. */
bool kio_sched_let_go(kio_sched *sched);
/* Tells all that the task waits for none of them any more, though its wait did not go on. */
void kio_sched_forget_waits(const kio_task *task);
/* Whether output of any member has not left yet. */
bool kio_sched_unsent(const kio_sched *sched);

#endif
