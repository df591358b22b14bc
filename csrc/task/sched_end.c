/* The end of a scheduler: nobody receives anything any more, what is under way is waited for within
   its time, the members are notified that it is over. Called by the scheduler's thread
   only, also while a task runs: lua_close within a task. */
#include "task/sched_end.h"

#include <string.h>

#include "base/config.h"
#include "base/log.h"
#include "task/anchor.h"
#include "task/here.h"
#include "task/interrupt.h"
#include "task/io.h"
#include "task/member.h"
#include "task/queue.h"
#include "task/sched_tree.h"
#include "task/sigpipe.h"
#include "task/task.h"

void kio_sched_trouble(kio_sched *sched, const char *what) {
  if (sched->end.trouble) return;
  sched->end.trouble = what;
  sched->end.trouble_first = kio_list_empty(&sched->root.failures);
  if (sched->config.on_trouble) sched->config.on_trouble(sched);
}

/* From now on nobody receives a result; what is under way is asked to end. */
static void orphan_all(kio_sched *sched) {
  kio_request *request;
  kio_assert(kio_list_empty(&sched->tasks) && kio_list_empty(&sched->members));
  for (size_t i = 0; (request = kio_slab_at(&sched->ring.slab, i)); i++) {
    if (request->state == KIO_REQUEST_FREE) continue;
    kio_ring_unsilence(&sched->ring, request);
    kio_sched_orphan(sched, request);
  }
}

void kio_sched_close_inbox(kio_sched *sched) {
  if (sched->door.inbox) kio_inbox_close(sched->door.inbox);
}

/* Until something ends, `left` at most. Posts could bring more than ends, and are not taken any
   more: jobs of the pool are asked. */
static void wait_for_ends(kio_sched *sched, int64_t left) {
  kio_ring_enter(&sched->ring, 0);
  kio_sched_close_inbox(sched); /* a job that has just been begun may have made it */
  bool working = kio_works_settle(&sched->works, &sched->ring);
  if (working) left = kio_min_ns(left, KIO_SETTLE_NS);
  if (!kio_ring_has_news(&sched->ring)) kio_ring_enter(&sched->ring, left);
}

static void drain(kio_sched *sched) {
  /* Its time anew: what is left now has been cancelled, and a descriptor or memory is at stake. */
  int64_t left = sched->config.shutdown_ns;
  int64_t until = kio_after_ns(kio_ring_now_ns(&sched->ring), left);
  kio_sched_tell_owners(sched);
  /* Out of time the slab and its buffers stay: the kernel may still write there. */
  while (sched->ring.pending > 0 && left >= 0 && !sched->ring.refused) {
    wait_for_ends(sched, left);
    kio_sched_tell_owners(sched);
    left = until - kio_ring_now_ns(&sched->ring);
  }
  size_t rest = sched->ring.pending;
  if (rest > 0) kio_log("%zu requests are left to the kernel, with their memory", rest);
}

/* The userdata of the scopes its body had opened may outlive the run: they are closed, and what
   failed in them is reported by the run. */
static void abandon_scopes(kio_sched *sched, kio_task *task) {
  kio_link *link;
  while (task->scope != &task->own) {
    kio_scope *scope = task->scope;
    kio_assert(scope->task == task && scope->parent);
    while ((link = kio_list_pop(&scope->failures))) kio_list_push(&sched->root.failures, link);
    kio_timer_stop(&sched->timers, &scope->timer);
    task->scope = scope->parent;
    scope->parent = NULL;
    if (!sched->current) kio_scope_let_go(sched->L, scope); /* else Lua itself is being closed */
  }
}

/* Tasks that are left never run again; whoever holds one sees it as cancelled. */
static void abandon_tasks(kio_sched *sched) {
  kio_link *link;
  while ((link = kio_list_pop(&sched->tasks))) {
    kio_task *task = KIO_CONTAINER(link, kio_task, link);
    kio_queue_leave(task);
    kio_timer_stop(&sched->timers, &task->timer);
    task->request = NULL; /* orphan_all sees to it */
    abandon_scopes(sched, task);
    task->status = KIO_TASK_CANCELLED;
    task->sched = NULL;
    if (!sched->current) kio_sched_forget(sched, task);
  }
}

static void detach_members(kio_sched *sched) {
  kio_link *link;
  while ((link = kio_list_first(&sched->members))) {
    kio_member *member = KIO_CONTAINER(link, kio_member, link);
    kio_sched_leave(member);
    member->kind->detach(member);
  }
}

/* How long the other threads may still take, in real time; a little also when time is up: those
   that do unwind are not to be left alone for the sake of one that does not. */
static int64_t time_left(kio_sched *sched) {
  int64_t left = sched->config.shutdown_ns;
  if (sched->end.stop_ns != KIO_NEVER) left = sched->end.stop_ns - kio_ring_now_ns(&sched->ring);
  return left > KIO_STOP_GRACE_NS ? left : KIO_STOP_GRACE_NS;
}

/* Another line of what went wrong; `trouble` may lie in `late` itself. */
static void add_trouble(kio_sched *sched, const char *what, const char *names) {
  char text[sizeof sched->end.late];
  const char *before = sched->end.trouble ? sched->end.trouble : "";
  snprintf(text, sizeof text, "%s%s%s%s", before, sched->end.trouble ? "\nand " : "", what, names);
  memcpy(sched->end.late, text, sizeof text);
  if (sched->end.trouble) sched->end.trouble = sched->end.late;
  else kio_sched_trouble(sched, sched->end.late);
}

bool kio_sched_take_failures(kio_sched *sched) {
  char failure[KIO_FAILURE_MAX];
  bool any = false;
  while (kio_runtime_failed(sched->runtime, failure)) {
    any = true;
    if (sched->end.keep) kio_log_always("%s", failure);
    else add_trouble(sched, failure, "");
  }
  return any && !sched->end.keep;
}

/* In a forked child the threads are not there, and their locks may be held for ever. */
void kio_sched_end_runtime(kio_sched *sched) {
  char late[KIO_FAILURE_MAX];
  kio_runtime *runtime = sched->runtime;
  if (!runtime || !kio_ring_alive(&sched->ring)) return;
  int64_t until = kio_after_ns(kio_real_now_ns(), time_left(sched));
  bool any = kio_runtime_end(runtime, until, late, sizeof late);
  kio_sched_take_failures(sched);
  sched->runtime = NULL;
  kio_runtime_unref(runtime);
  if (any) add_trouble(sched, "threads did not end within shutdown_timeout: ", late);
}

/* The state is being closed from within a task: what has been gathered still leaves, as long as
   anything moves. No task runs any more. */
static void let_output_leave(kio_sched *sched) {
  int64_t now = kio_ring_now_ns(&sched->ring);
  int64_t end = kio_after_ns(now, sched->config.shutdown_ns);
  int64_t stall = kio_after_ns(now, KIO_EXIT_STALL_NS);
  while (kio_sched_let_go(sched), kio_sched_flush_members(sched), kio_sched_unsent(sched)) {
    int64_t left = kio_min_ns(end, stall) - now;
    if (left <= 0) break;
    wait_for_ends(sched, left);
    now = kio_ring_now_ns(&sched->ring);
    if (kio_ring_has_news(&sched->ring)) stall = kio_after_ns(now, KIO_EXIT_STALL_NS);
    kio_sched_tell_owners(sched);
  }
}

void kio_sched_fini(kio_sched *sched) {
  bool cut_off = sched->ring.backend && !sched->end.over && kio_ring_alive(&sched->ring);
  kio_interrupt_restore(sched);
  if (cut_off) let_output_leave(sched);
  if (!sched->current) kio_anchors_fini(sched); /* else Lua itself is being closed */
  if (kio_sched_of_thread == sched) kio_sched_of_thread = NULL;
  if (!sched->ring.backend) return;
  abandon_tasks(sched);
  detach_members(sched);
  kio_sched_close_inbox(sched);
  sched->config.on_trouble = NULL; /* there is no run any more that would raise it */
  kio_sched_end_runtime(sched);
  orphan_all(sched);
  if (!kio_ring_alive(&sched->ring)) kio_ring_abandon(&sched->ring);
  drain(sched);
  kio_works_fini(&sched->works);
  kio_ring_close(&sched->ring);
  kio_inbox_unref(sched->door.inbox); /* the ring reads its descriptor until its end */
  sched->door.inbox = NULL;
  kio_assert(sched->timers.count == 0);
  kio_timers_fini(&sched->timers);
  kio_descs_fini(&sched->descs);
  kio_buffers_fini(&sched->buffers);
  kio_sigpipe_restore(sched->sigpipe); /* nothing of ours writes any more */
  sched->sigpipe = KIO_SIGPIPE_LEFT;
}
