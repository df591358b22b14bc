/* What the end of a task, or of a scope, means for those around it: failures go up, cancellation
   goes down, whoever waits is woken. Called by the scheduler's thread only. */
#include "task/sched_tree.h"

#include "task/here.h"
#include "task/io.h"
#include "task/queue.h"
#include "task/scope.h"
#include "task/task.h"
#include "task/wait.h"

void kio_sched_stop(kio_sched *sched) {
  /* Another thread may ask for it, after a long wait: the turn's clock is too old to count from. */
  if (sched->end.stop_ns == KIO_NEVER) {
    sched->end.stop_ns = kio_sched_due(sched, sched->config.shutdown_ns);
  }
  sched->serving = false;
  kio_scope_cancel(&sched->root, KIO_SCOPE_CANCEL);
}

void kio_sched_forget(kio_sched *sched, kio_task *task) {
  if (task == sched->main) return; /* that one is anchored until the run is over */
  kio_scope_let_go(sched->L, &task->own);
}

void kio_sched_make_daemon(kio_task *task) {
  kio_scope *scope = kio_scope_owner(task->own.parent);
  kio_assert(!task->daemon);
  task->daemon = true;
  scope->daemons++;
  scope->daemons_ended = false;
}

void kio_sched_end_daemons(kio_scope *scope) {
  if (scope->daemons_ended || !kio_scope_idle(scope) || scope->daemons == 0) return;
  scope->daemons_ended = true; /* or each that ends would look at all the others again */
  KIO_LIST_EACH(&scope->inner, link) {
    kio_scope *inner = KIO_CONTAINER(link, kio_scope, link);
    if (!inner->of_task || !inner->task->daemon) continue;
    if (inner->task->on_end) continue; /* its `on_end` says when */
    kio_scope_cancel(inner, KIO_SCOPE_CANCEL);
  }
}

/* One task less in `scope`: those who wait for that are woken. */
static void scope_lost(kio_sched *sched, kio_scope *scope, const kio_task *task) {
  kio_assert(scope->live > 0);
  scope->live--;
  if (task->daemon) scope->daemons--;
  kio_assert(scope->daemons <= scope->live + task->daemon);
  if (scope->waiting && scope->live == 0) {
    scope->waiting = false;
    kio_task_wake(scope->task);
  } else if (scope->waiting ||
             (scope == &sched->root && sched->main && kio_task_ended(sched->main))) {
    kio_sched_end_daemons(scope);
  }
}

static void fail_scope(kio_sched *sched, kio_scope *scope) {
  if (scope == &sched->root) kio_sched_stop(sched);
  else kio_scope_cancel(scope, KIO_SCOPE_FAILURE);
}

/* Out of the innermost scope the task's body has opened: its tasks are cancelled and move out. */
static void leave_scope(kio_task *task) {
  kio_scope *scope = task->scope, *owner = kio_scope_owner(scope->parent);
  kio_link *link;
  kio_assert(scope->task == task && !scope->of_task && owner != scope);
  kio_scope_cancel(scope, KIO_SCOPE_FAILURE);
  while ((link = kio_list_pop(&scope->inner))) {
    kio_list_push(&owner->inner, link);
    KIO_CONTAINER(link, kio_scope, link)->parent = owner;
  }
  owner->live += scope->live;
  owner->daemons += scope->daemons;
  if (scope->daemons > 0) owner->daemons_ended = false;
  scope->live = scope->daemons = 0;
  if (!kio_list_empty(&scope->failures)) fail_scope(task->sched, owner);
  while ((link = kio_list_pop(&scope->failures))) kio_list_push(&owner->failures, link);
  kio_timer_stop(&task->sched->timers, &scope->timer);
  task->scope = scope->parent;
  kio_scope_close(scope);
  kio_scope_let_go(task->sched->L, scope);
}

void kio_sched_leave_scopes(kio_task *task, const lua_State *co) {
  while (task->scope != &task->own && (!co || task->scope->co == co)) leave_scope(task);
}

void kio_sched_ended(kio_sched *sched, kio_task *task) {
  kio_scope *owner = kio_scope_owner(task->own.parent);
  kio_assert(kio_task_ended(task) && task->sched == sched);
  if (task->on_end) task->on_end->ended(task->on_end, task);
  /* A result it never took: its operation was cut off. */
  if (task->request) kio_sched_orphan(sched, task->request);
  task->request = NULL;
  kio_sched_leave_scopes(task, NULL);
  bool cut = task->status == KIO_TASK_CANCELLED && task->own.end == KIO_SCOPE_RUNS;
  if (cut && !task->daemon) owner->cut = true;
  kio_scope_close(&task->own);
  bool observed = task->handled || !kio_queue_empty(&task->waiters);
  if (task->status == KIO_TASK_FAILED && !observed) {
    kio_list_push(&owner->failures, &task->link); /* stays anchored until the scope raises it */
    fail_scope(sched, owner);
  } else {
    kio_sched_forget(sched, task);
  }
  kio_queue_wake_all(&task->waiters);
  scope_lost(sched, owner, task);
}
