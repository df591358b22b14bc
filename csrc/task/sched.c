/* Owns the loop and all that one thread's tasks share. Invariants: `current` is set exactly while a
   task runs; whatever is alive can still be woken by the ready queue, a timer or the ring, else the
   loop says so (a deadlock; that of several workers is found in thread/idle.c) and unwinds. Called
   by the scheduler's thread only. */
#include "task/sched.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/config.h"
#include "base/errname.h"
#include "base/number.h"
#include "base/shuffle.h"
#include "task/collect.h"
#include "task/here.h"
#include "task/hook.h"
#include "task/interrupt.h"
#include "task/io.h"
#include "task/member.h"
#include "task/sched_end.h"
#include "task/sched_inbox.h"
#include "task/sched_tree.h"
#include "task/sched_verify.h"
#include "task/scope.h"
#include "task/task.h"

/* ---- opening ---- */

int kio_sched_init(kio_sched *sched, lua_State *L, const kio_sched_config *config) {
  kio_assert(!kio_sched_here());
  if (kio_sched_of_thread) kio_sched_fini(kio_sched_of_thread); /* the parent's; we are a fork */
  int err = kio_number_fill_standard();
  if (err) return err;
  *sched = (kio_sched){.L = L, .config = *config, .random = config->seed};
  sched->end.stop_ns = sched->end.collect_ns = KIO_NEVER;
  sched->process = getpid();
  kio_timers_init(&sched->timers);
  kio_descs_init(&sched->descs);
  kio_buffers_init(&sched->buffers);
  kio_list_init(&sched->ready);
  kio_list_init(&sched->tasks);
  kio_list_init(&sched->members);
  kio_list_init(&sched->dirty);
  kio_queue_init(&sched->short_of);
  kio_scope_open(&sched->root, NULL, NULL, false);
  sched->config.ring.buffers = &sched->buffers;
  sched->config.ring.offload = kio_works_offload(sched);
  err = kio_ring_open(&sched->ring, config->backend, &sched->config.ring);
  if (err) return err;
  sched->serving = config->serves;
  sched->now_ns = kio_ring_now_ns(&sched->ring);
  sched->end.limit_ns = kio_sched_due(sched, config->limit_ns);
  sched->hooked = config->watchdog.limit_ns > 0;
  kio_sched_of_thread = sched;
  return 0;
}

/* ---- the loop ---- */

/* Runs what is ready now; what becomes ready meanwhile comes after the kernel had its turn. False
   in a child that a task has forked. */
static bool run_ready(kio_sched *sched) {
  size_t snapshot = sched->ready_count;
  if (sched->config.seed) kio_shuffle(&sched->ready, snapshot, &sched->random);
  for (size_t i = 0; i < snapshot; i++) {
    kio_task *task = KIO_CONTAINER(kio_list_pop(&sched->ready), kio_task, wait_link);
    sched->ready_count--;
    sched->stats.resumes++;
    sched->budget = KIO_BUDGET;
    kio_task_resume(sched->L, task);
    if (!kio_ring_alive(&sched->ring)) return false;
    /* The clock costs about as much as a short resume: look at it now and then. */
    if (i % 4 == 3 && kio_sched_is_late(sched)) break;
  }
  return true;
}

static void expire_timers(kio_sched *sched) {
  kio_timer *timer;
  while ((timer = kio_timers_pop_due(&sched->timers, sched->now_ns))) timer->due(timer);
}

static void read_clock(kio_sched *sched) {
  sched->now_ns = kio_ring_now_ns(&sched->ring);
}

/* How long the kernel may keep us: not at all with tasks ready or nothing to wait for, else until
   the next deadline. */
static int64_t wait_ns(const kio_sched *sched) {
  if (sched->ready_count > 0) return 0;
  bool awaited = sched->ring.pending > 0 || sched->timers.count > 0 || sched->serving ||
                 kio_sched_awaits_posts(sched);
  if (!awaited) return 0;
  int64_t next = kio_min_ns(kio_timers_next_ns(&sched->timers), sched->end.stop_ns);
  next = kio_min_ns(next, kio_min_ns(sched->end.collect_ns, sched->end.limit_ns));
  if (next == KIO_NEVER) return KIO_NEVER;
  return next > sched->now_ns ? next - sched->now_ns : 0;
}

/* Looks again and again for busy_poll_ns before it lets the kernel put us to sleep. */
static bool busy_poll(kio_sched *sched, int64_t bound_ns) {
  int64_t until = sched->now_ns + kio_min_ns(sched->config.busy_poll_ns, bound_ns);
  do {
    kio_ring_enter(&sched->ring, 0);
    if (sched->ring.refused || kio_ring_has_news(&sched->ring)) return true;
    if (sched->door.inbox && kio_sched_has_posts(sched)) return true;
  } while (kio_ring_now_ns(&sched->ring) < until);
  return false;
}

/* False: there was no need to, and no time has passed. */
static bool enter(kio_sched *sched) {
  int64_t bound = wait_ns(sched);
  if (bound == 0 && !kio_ring_wants_enter(&sched->ring)) return false;
  if (bound > 0 && sched->config.busy_poll_ns > 0 && busy_poll(sched, bound)) return true;
  if (bound > 0 && sched->door.inbox && !kio_sched_sleep(sched)) bound = 0;
  kio_ring_enter(&sched->ring, bound);
  return true;
}

static void note_turn(kio_sched *sched, int64_t took_ns) {
  kio_debug_assert(took_ns >= 0);
  if (took_ns > sched->stats.longest_turn_ns) sched->stats.longest_turn_ns = took_ns;
  sched->stats.turns++;
}

/* Only cancelled tasks are left, or only output: that may take no longer than unwinding. Done
   before the kernel is waited for: it would wait for ever. */
static void bound_draining(kio_sched *sched) {
  if (sched->uncancelled > 0 || sched->serving) return;
  kio_sched_stop(sched);
  bool first = !sched->end.draining && kio_list_empty(&sched->tasks);
  int64_t patience = kio_min_ns(sched->config.shutdown_ns / 2, KIO_DRAIN_COLLECT_NS);
  if (first) sched->end.collect_ns = kio_sched_due(sched, patience);
  sched->end.draining |= first;
}

/* Whom the output is for may be garbage, which nothing that still runs would have collected: then
   it is closed now, and the output need not leave. Whether garbage was collected. */
static bool collect_peers(kio_sched *sched) {
  if (sched->now_ns < sched->end.collect_ns) return false;
  sched->end.collect_ns = KIO_NEVER;
  lua_gc(sched->L, LUA_GCCOLLECT, 0);
  return true;
}

/* False in a forked child, before anything of the parent's is touched. */
static bool turn(kio_sched *sched) {
  int64_t started = sched->now_ns;
  if (!run_ready(sched)) return false;
  read_clock(sched);
  note_turn(sched, sched->now_ns - started);
  expire_timers(sched);
  if (!kio_list_empty(&sched->dirty)) kio_sched_flush_members(sched);
  bound_draining(sched);
  bool entered = enter(sched);
  if (sched->door.inbox) kio_sched_take_posts(sched); /* first: who posts later need not wake us */
  int lacks = sched->ring.lacks_fds;
  if (lacks > 0) sched->collected = kio_collect(sched->L, -EMFILE, lacks);
  if (entered) read_clock(sched);
  if (!kio_list_empty(&sched->ring.completed)) kio_sched_tell_owners(sched);
  sched->collected = false;
  sched->ring.lacks_fds = 0;
  kio_in_test(kio_sched_verify(sched));
  return true;
}

static bool finished(kio_sched *sched) {
  bool idle = !sched->serving && kio_list_empty(&sched->tasks) && kio_list_empty(&sched->dirty) &&
              sched->ring.pending == 0 && kio_list_empty(&sched->ring.completed);
  kio_debug_assert(!idle || (sched->ready_count == 0 && sched->uncancelled == 0));
  return idle && !kio_sched_let_go(sched);
}

/* Tasks are left, and neither the ready queue, nor a timer, nor the kernel, nor another thread can
   wake any. */
static bool deadlocked(const kio_sched *sched) {
  return sched->ready_count == 0 && sched->timers.count == 0 && !kio_sched_awaits_posts(sched) &&
         !sched->serving && kio_list_empty(&sched->dirty) && sched->ring.pending == 0 &&
         kio_list_empty(&sched->ring.completed);
}

static const char *late(const kio_sched *sched) {
  return kio_list_empty(&sched->tasks) ? "output did not leave within shutdown_timeout"
                                       : "tasks did not end within shutdown_timeout";
}

/* Nothing that waits in the kernel will ever complete: there is no unwinding. */
static void tell_refusal(kio_sched *sched) {
  int err = -sched->ring.refused;
  snprintf(sched->end.late, sizeof sched->end.late,
           "the kernel refuses the ring since it was opened (io_uring_enter: %s, %s): what "
           "waits in it is given up",
           strerror(err), kio_errname(err));
  kio_sched_trouble(sched, sched->end.late);
}

/* Looks for what ends a run early. False when it is over at once. */
static bool goes_on(kio_sched *sched) {
  if (sched->interrupt.state == KIO_INTERRUPT_NOTED) kio_hook_act_on_interrupt(sched);
  if (sched->ring.refused) {
    tell_refusal(sched);
    return false;
  }
  if (collect_peers(sched) && finished(sched)) return false;
  if (deadlocked(sched)) {
    if (sched->end.trouble) return false;
    kio_sched_trouble(sched, "deadlock: every task waits and nothing is left that could wake one");
    kio_sched_stop(sched);
  } else if (sched->now_ns >= sched->end.stop_ns) {
    kio_sched_trouble(sched, late(sched));
    return false;
  } else if (sched->now_ns >= sched->end.limit_ns) {
    sched->end.limit_ns = KIO_NEVER;
    kio_sched_trouble(sched, "the time limit of the run has passed");
    kio_sched_stop(sched);
  }
  return true;
}

static void run(kio_sched *sched) {
  bool on = !finished(sched);
  while (on) {
    if (!turn(sched)) {
      sched->end.trouble =
          "the loop belongs to the parent process, and this is a child it has forked";
      return;
    }
    on = !finished(sched) && goes_on(sched);
  }
}

void kio_sched_run(kio_sched *sched) {
  kio_assert(sched == kio_sched_of_thread && !sched->end.over);
  run(sched);
  sched->end.over = true;
  kio_in_test(kio_sched_verify(sched));
  kio_sched_close_inbox(sched);
  kio_sched_end_runtime(sched);
}
