/* Owns the lists of members. Invariant: a member in `dirty` is in `members`. Called by the
   scheduler's thread only. */
#include "task/member.h"

#include "task/here.h"

void kio_sched_join(kio_sched *sched, kio_member *member) {
  kio_list_push(&sched->members, &member->link);
}

void kio_sched_leave(kio_member *member) {
  if (kio_link_linked(&member->dirty_link)) kio_link_remove(&member->dirty_link);
  kio_link_remove(&member->link);
}

void kio_sched_dirty(kio_sched *sched, kio_member *member) {
  if (!kio_link_linked(&member->dirty_link)) kio_list_push(&sched->dirty, &member->dirty_link);
}

void kio_sched_flush_members(kio_sched *sched) {
  kio_link *link;
  while ((link = kio_list_pop(&sched->dirty))) {
    kio_member *member = KIO_CONTAINER(link, kio_member, dirty_link);
    member->flush(member);
  }
}
