/* In test builds everything a scheduler has is looked at after its turns, when no task runs: what
   broke an invariant is found in the turn that did it, not where it shows.
   Each structure has its check where its invariant stands, kio_<noun>_verify, made of kio_asserts
   on what it alone can see; it changes nothing. What hangs on the scheduler brings its own as
   kio_member_kind.verify. They are there under KIO_TEST only: kio_in_test calls them, and
   kio_test_only names them. A check is no place for what a script can bring about: that is an error
   of its own.
   A look costs as much as there is: with much, it is not taken after every turn, but after so few
   that the turns between pay for it; and once more when the loop has ended. */
#ifndef KIO_TASK_SCHED_VERIFY_H
#define KIO_TASK_SCHED_VERIFY_H

#include "task/here.h"

#ifdef KIO_TEST
/* After a turn: looks at all, if it is time to. */
void kio_sched_verify(kio_sched *sched);
#endif

#endif
