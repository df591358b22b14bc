/* Owns the lists of members. Invariant: a member in `dirty` is in `members`. Called by the
   scheduler's thread only. */
#include "task/member.h"

#include "task/here.h"

void kio_sched_join(kio_sched *sched, kio_member *member) {
  kio_assert(member->kind->detach && !kio_link_linked(&member->dirty_link));
  kio_list_push(&sched->members, &member->link);
}

void kio_sched_leave(kio_member *member) {
  if (kio_link_linked(&member->dirty_link)) kio_link_remove(&member->dirty_link);
  kio_link_remove(&member->link);
}

void kio_sched_dirty(kio_sched *sched, kio_member *member) {
  kio_debug_assert(member->kind->flush && kio_link_linked(&member->link));
  if (!kio_link_linked(&member->dirty_link)) kio_list_push(&sched->dirty, &member->dirty_link);
}

void kio_sched_flush_members(kio_sched *sched) {
  kio_link *link;
  while ((link = kio_list_pop(&sched->dirty))) {
    kio_member *member = KIO_CONTAINER(link, kio_member, dirty_link);
    member->kind->flush(member);
  }
}

bool kio_sched_let_go(kio_sched *sched) {
  bool any = false;
  KIO_LIST_EACH(&sched->members, link) {
    kio_member *member = KIO_CONTAINER(link, kio_member, link);
    if (!member->kind->holds || !member->kind->holds(member)) continue;
    kio_sched_dirty(sched, member);
    any = true;
  }
  return any;
}

void kio_sched_forget_waits(const kio_task *task) {
  KIO_LIST_EACH(&task->sched->members, link) {
    kio_member *member = KIO_CONTAINER(link, kio_member, link);
    if (member->kind->forget) member->kind->forget(member, task);
  }
}

bool kio_sched_unsent(const kio_sched *sched) {
  KIO_LIST_EACH(&sched->members, link) {
    const kio_member *member = KIO_CONTAINER(link, kio_member, link);
    if (member->kind->unsent && member->kind->unsent(member)) return true;
  }
  return false;
}
