/* Owns the order of those who wait. Invariants: a task is in a queue only while it is WAITING; a
   choice has its task exactly as long as its waiters are linked; a task's own waiter is linked, or
   points to its choice, never both. Called by the scheduler's thread only, also by finalizers. */
#include "task/queue.h"

#include "task/wait.h"

const char kio_waitable_tag = 0; /* only its address counts */

void kio_queue_push(kio_queue *queue, kio_task *task) {
  kio_assert(task->status == KIO_TASK_READY && !task->waiter.choice);
  kio_list_push(&queue->waiters, &task->waiter.link);
}

void kio_choice_open(kio_choice *choice, kio_task *task, int count) {
  kio_assert(!task->waiter.choice && !kio_link_linked(&task->waiter.link));
  choice->task = task;
  choice->count = count;
  choice->winner = -1;
  for (int i = 0; i < count; i++) choice->waiters[i] = (kio_waiter){.choice = choice};
  task->waiter.choice = choice;
}

void kio_choice_push(kio_choice *choice, int index, kio_queue *queue) {
  kio_assert(choice->task && index >= 0 && index < choice->count);
  kio_list_push(&queue->waiters, &choice->waiters[index].link);
}

static void close_choice(kio_choice *choice) {
  kio_assert(choice->task->waiter.choice == choice);
  for (int i = 0; i < choice->count; i++) {
    kio_link *link = &choice->waiters[i].link;
    if (kio_link_linked(link)) kio_link_remove(link);
  }
  choice->task->waiter.choice = NULL;
  choice->task = NULL;
}

void kio_queue_leave(kio_task *task) {
  if (task->waiter.choice) close_choice(task->waiter.choice);
  else if (kio_link_linked(&task->waiter.link)) kio_link_remove(&task->waiter.link);
}

void kio_queue_abandon(kio_task *task) {
  kio_queue_leave(task);
  kio_task_wake(task);
}

kio_task *kio_queue_wake(kio_queue *queue, int *which) {
  kio_link *link = kio_list_first(&queue->waiters);
  if (!link) return NULL;
  kio_waiter *waiter = KIO_CONTAINER(link, kio_waiter, link);
  kio_choice *choice = waiter->choice;
  kio_task *task = choice ? choice->task : KIO_CONTAINER(waiter, kio_task, waiter);
  if (choice) choice->winner = (int)(waiter - choice->waiters);
  *which = choice ? choice->winner : -1;
  kio_queue_abandon(task);
  return task;
}

void kio_queue_wake_all(kio_queue *queue) {
  int which;
  while (kio_queue_wake(queue, &which)) continue;
}

void kio_choice_fini(kio_choice *choice) {
  if (choice->task) kio_queue_abandon(choice->task);
}

#ifdef KIO_TEST
void kio_queue_verify(const kio_queue *queue) {
  KIO_LIST_EACH(&queue->waiters, link) {
    kio_waiter *waiter = KIO_CONTAINER(link, kio_waiter, link);
    const kio_choice *choice = waiter->choice;
    const kio_task *task = choice ? choice->task : KIO_CONTAINER(waiter, kio_task, waiter);
    kio_assert(task && task->status == KIO_TASK_WAITING && task->waiter.choice == choice);
  }
}
#endif
