/* The end of a scheduler: nobody receives anything any more, what is under way is waited for within
   its time, what others may still hold is told that it is over. Called by the scheduler's thread
   only, also while a task runs: lua_close within a task. */
#include "sched.h"

void kio_sched_trouble(kio_sched *sched, const char *what) {
  if (sched->trouble) return;
  sched->trouble = what;
  sched->trouble_first = kio_list_empty(&sched->root.failures);
  if (sched->config.on_trouble) sched->config.on_trouble(sched);
}

/* From now on nobody receives a result; what is under way is asked to end. */
static void orphan_all(kio_sched *sched) {
  kio_slab *slab = &sched->ring.slab;
  for (size_t i = 0; i < slab->chunk_count * KIO_SLAB_CHUNK; i++) {
    kio_request *request = &slab->chunks[i / KIO_SLAB_CHUNK][i % KIO_SLAB_CHUNK];
    if (request->state != KIO_REQUEST_FREE) kio_sched_orphan(sched, request);
  }
}

static void drain(kio_sched *sched) {
  int64_t left = sched->config.shutdown_ns;
  int64_t until = kio_ring_now_ns(&sched->ring) + left;
  kio_sched_tell_owners(sched);
  /* Out of time the slab and its buffers stay: the kernel may still write there. */
  while (sched->ring.pending > 0 && left >= 0) {
    kio_ring_enter(&sched->ring, left);
    kio_sched_tell_owners(sched);
    left = until - kio_ring_now_ns(&sched->ring);
  }
}

/* The userdata of the scopes its body had opened may outlive the run: they are closed, and what
   failed in them is told by the run. */
static void abandon_scopes(kio_sched *sched, kio_task *task) {
  kio_link *link;
  while (task->scope != &task->own) {
    kio_scope *scope = task->scope;
    while ((link = kio_list_pop(&scope->failures))) kio_list_push(&sched->root.failures, link);
    kio_timer_stop(&sched->timers, &scope->timer);
    task->scope = scope->parent;
    scope->parent = NULL;
    if (!sched->current) kio_sched_unanchor(sched, scope); /* else Lua itself is being closed */
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
    member->detach(member);
  }
}

void kio_sched_close_inbox(kio_sched *sched) {
  if (sched->inbox) kio_inbox_close(sched->inbox);
}

/* In a forked child the threads are not there, and their locks may be held for ever. */
bool kio_sched_end_runtime(kio_sched *sched) {
  char names[96];
  kio_runtime *runtime = sched->runtime;
  sched->runtime = NULL;
  if (!runtime || !kio_ring_alive(&sched->ring)) return false;
  int64_t left = sched->config.shutdown_ns;
  if (sched->stop_ns != KIO_NEVER) left = sched->stop_ns - kio_ring_now_ns(&sched->ring);
  int64_t until = kio_ring_uring.now_ns(NULL) + (left > 0 ? left : 0);
  char text[KIO_FAILURE_MAX];
  bool late = kio_runtime_end(runtime, until, names, sizeof names);
  if (late) snprintf(text, sizeof text, "threads did not end within shutdown_timeout: %s", names);
  else late = kio_runtime_failed(runtime, text);
  kio_runtime_unref(runtime);
  if (!late || sched->trouble) return false; /* which may lie in `late` */
  snprintf(sched->late, sizeof sched->late, "%s", text);
  return true;
}

void kio_sched_fini(kio_sched *sched) {
  kio_interrupt_restore(sched);
  if (kio_sched_of_thread == sched) kio_sched_of_thread = NULL;
  if (!sched->ring.backend) return;
  abandon_tasks(sched);
  detach_members(sched);
  kio_sched_close_inbox(sched);
  kio_sched_end_runtime(sched);
  if (sched->wake) kio_ring_unsilence(&sched->ring, sched->wake);
  orphan_all(sched);
  if (!kio_ring_alive(&sched->ring)) kio_ring_abandon(&sched->ring);
  drain(sched);
  kio_ring_close(&sched->ring);
  kio_inbox_unref(sched->inbox); /* its descriptor is read until the ring has let go */
  sched->inbox = NULL;
  kio_timers_fini(&sched->timers);
  kio_descs_fini(&sched->descs);
  kio_buffers_fini(&sched->buffers);
}
