/* Owns nothing: walks what a scheduler has, in test builds. Called by the loop between turns. */
#include "task/sched_verify.h"

#include "task/member.h"

#ifdef KIO_TEST

enum { ITEMS_PER_TURN = 128 }; /* what a turn pays for: some 0.3 us */

static void verify_task(const kio_sched *sched, const kio_task *task) {
  bool waits = task->status == KIO_TASK_WAITING;
  kio_assert(task->sched == sched && !kio_task_ended(task));
  kio_assert(task->own.task == task && task->own.parent && task->scope->task == task);
  kio_assert(waits || (!task->abandon && !kio_timer_started(&task->timer)));
  kio_assert(waits || (!task->waiter.choice && kio_link_linked(&task->wait_link)));
  kio_assert(!task->request || task->request->owner == task);
  kio_queue_verify(&task->waiters);
}

static size_t verify_tasks(const kio_sched *sched) {
  size_t uncancelled = 0;
  KIO_LIST_EACH(&sched->tasks, link) {
    const kio_task *task = KIO_CONTAINER(link, kio_task, link);
    verify_task(sched, task);
    uncancelled += !task->own.active;
  }
  kio_assert(uncancelled == sched->uncancelled);
  KIO_LIST_EACH(&sched->ready, link) {
    kio_assert(KIO_CONTAINER(link, kio_task, wait_link)->status == KIO_TASK_READY);
  }
  kio_assert(kio_list_verify(&sched->ready) == sched->ready_count);
  kio_queue_verify(&sched->short_of);
  return kio_list_verify(&sched->tasks);
}

static size_t verify_members(const kio_sched *sched) {
  size_t dirty = 0;
  KIO_LIST_EACH(&sched->members, link) {
    const kio_member *member = KIO_CONTAINER(link, kio_member, link);
    dirty += kio_link_linked(&member->dirty_link);
    if (member->kind->verify) member->kind->verify(member);
  }
  kio_assert(kio_list_verify(&sched->dirty) == dirty);
  return kio_list_verify(&sched->members);
}

/* See task/sched_inbox.h. Awake, it is marked neither asleep nor idle. */
static void verify_inbox(const kio_sched *sched) {
  kio_assert(sched->door.mutual <= sched->door.expected && !sched->door.slept && !sched->door.idle);
  kio_assert(!sched->door.inbox || sched->door.wake);
}

void kio_sched_verify(kio_sched *sched) {
  bool due = sched->end.over || sched->stats.turns >= sched->verify_turn;
  if (!due || !kio_ring_alive(&sched->ring)) return;
  kio_assert(!sched->current && !sched->leaf);
  verify_inbox(sched);
  size_t items = verify_tasks(sched) + verify_members(sched) + sched->timers.count;
  kio_scope_verify(&sched->root);
  kio_timers_verify(&sched->timers);
  kio_ring_verify(&sched->ring);
  kio_descs_verify(&sched->descs);
  kio_buffers_verify(&sched->buffers);
  items += sched->ring.slab.chunk_count * KIO_SLAB_CHUNK + sched->descs.count * KIO_DESC_ROW;
  sched->verify_turn = sched->stats.turns + items / ITEMS_PER_TURN;
}

#endif
