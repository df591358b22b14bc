/* The scheduler's state: what one thread's tasks share. Every room of this folder works on it; the
   loop (task/sched.h) is only one of them. */
#ifndef KIO_TASK_HERE_H
#define KIO_TASK_HERE_H

#include <unistd.h>

#include "base/config.h"
#include "ring/buffer.h"
#include "ring/desc.h"
#include "ring/ring.h"
#include "task/anchor.h"
#include "task/hook.h"
#include "task/interrupt.h"
#include "task/queue.h"
#include "task/scope.h"
#include "task/sigpipe.h"
#include "task/task.h"
#include "task/work.h"
#include "thread/inbox.h"
#include "thread/runtime.h"

typedef struct kio_sched_config {
  const kio_ring_backend *backend; /* which ring */
  kio_ring_config ring;            /* how to open it */
  int64_t shutdown_ns;             /* how long unwinding may take */
  int64_t busy_poll_ns;            /* how long to look again and again before sleeping */
  kio_worker *worker;              /* of which runtime it is part; NULL: of none */
  bool serves;                     /* runs until it is asked to stop, not until its tasks end */
  int64_t limit_ns;                /* how long the whole run may take; KIO_NEVER: no bound */
  uint64_t seed;                   /* ready tasks run in an order it decides; 0: first come */
  kio_watchdog_config watchdog;    /* reports tasks that hold the loop */
  /* The loop has found something wrong (`end.trouble`) and is about to unwind. Must not raise; or
     NULL. */
  void (*on_trouble)(kio_sched *sched);
} kio_sched_config;

typedef struct kio_sched_stats {
  uint64_t turns;          /* turns of the loop */
  uint64_t resumes;        /* times a task was resumed */
  uint64_t spawned;        /* tasks made */
  uint64_t ended;          /* and of these, ended */
  int64_t longest_turn_ns; /* the longest time the loop did not look at the kernel */
} kio_sched_stats;

/* What it has to do with other threads; see task/sched_inbox.h. */
typedef struct kio_door {
  kio_inbox *inbox;  /* how other threads reach it; NULL: nobody can yet */
  kio_request *wake; /* the read that ends a wait when something is posted; with the inbox */
  size_t expected;   /* posts that somebody here waits for: they will come by themselves ... */
  size_t mutual;     /* ... but for these, which only a task of some worker can send */
  bool slept;        /* the inbox was marked asleep for the wait that has just ended */
  bool idle;         /* only other threads can wake it, as its runtime knows */
} kio_door;

/* How its run ends; see task/sched_end.h. */
typedef struct kio_run_end {
  const char *trouble; /* what the loop itself found wrong: a deadlock, a task left behind */
  char late[2 * KIO_FAILURE_MAX]; /* of `trouble`: workers that failed, threads that were late */
  int64_t stop_ns;                /* when unwinding must be over; KIO_NEVER: not unwinding */
  int64_t collect_ns;             /* when garbage is collected that output may wait for */
  int64_t limit_ns;               /* when the run must be over; KIO_NEVER: no bound, or passed */
  bool draining;                  /* only output is left */
  bool trouble_first;             /* before any task's failure had reached the root */
  bool asked;                     /* somebody asked it to end */
  bool keep;                      /* a worker that fails does not end the run */
  bool over;                      /* the loop has ended: not closed from within a task */
} kio_run_end;

/* What lies in the Lua registry, each under the address of what it belongs to (lua_rawsetp):
   - a kio_task: its userdata, from the making of the task to its end; of a failed task until its
     failure has been taken; of the main task until the run is over;
   - a kio_scope that a function has opened: its userdata, while the scope is open;
   - &sched->root: the run's on_error function;
   - &sched->config.watchdog: its on_watchdog function;
   - &sched->end.trouble: the report that goes with it;
   - a metatable: the kio_type of its userdata (op/type.c);
   - keys of a Lua state and not of a run: the Cancelled value (task/result.c), modules by name
     (codec/known.c), shared handles (worker/shared.c), kio's own files (op/misuse.c), how kio.core
     is opened (run/state.c), who knows names (net/net.c). */
struct kio_sched {
  lua_State *L;  /* the state kio.run was called in */
  pid_t process; /* that one was called in: a forked child is another */
  kio_sched_config config;
  kio_sched_stats stats;

  /* What its requests work with. */
  kio_ring ring;
  kio_works works;   /* what the ring has offloaded */
  kio_timers timers; /* of tasks and scopes */
  kio_descs descs;
  kio_buffers buffers;
  kio_list members;            /* streams alive on this scheduler */
  kio_list dirty;              /* those with output gathered in this turn */
  kio_queue short_of;          /* tasks that wait for a descriptor to become free */
  struct kio_signals *signals; /* what process/signals.c keeps; NULL: no signal was watched yet */

  /* Its tasks. */
  kio_list ready;        /* tasks to run, in order, by wait_link */
  size_t ready_count;    /* how many */
  kio_list tasks;        /* tasks that have not ended, by link */
  size_t uncancelled;    /* how many of them nobody has cancelled */
  kio_scope root;        /* the scope of the whole run */
  kio_anchors anchors;   /* what keeps them alive */
  const char *own_files; /* what op/misuse.c has found in the registry; NULL: nothing yet */
  kio_task *main;        /* the root task; anchored for the whole run */

  /* The turn under way. */
  int64_t now_ns;                /* the clock, read once per turn */
  kio_task *current;             /* the task that runs now; NULL: the loop itself */
  lua_State *leaf;               /* the coroutine that runs now: the task's, or one inside it */
  int budget;                    /* operations it may yet begin without waiting */
  bool stuck;                    /* somewhere between the two Lua cannot yield */
  uint64_t random;               /* the state of the order that config.seed decides */
  kio_watchdog watchdog;         /* how long the running task has held the loop */
  struct kio_external *external; /* what is being made a string; NULL: nothing (external.h) */
  volatile sig_atomic_t hooked;  /* what runs is under the watchdog's hook */
  kio_interrupt interrupt;

  kio_door door;
  kio_run_end end;
  kio_runtime *runtime; /* to be ended with the run; NULL: not by this one */
  bool serving;         /* goes on without tasks: others bring them */
  bool on_error;        /* there is one, in the registry by &root: kio.run's option */
  bool stays_loaded;    /* the library, for strings that may outlive it */
  kio_sigpipe sigpipe;  /* what the end has to undo */

  /* What task/collect.c has found. */
  int64_t collect_ns;      /* what collect.c may still spend in vain ... */
  int64_t collect_seen_ns; /* ... as of then */
  bool collected; /* the collector has just freed descriptors: what wants one tries once more */
#ifdef KIO_TEST
  uint64_t verify_turn; /* the turn after which kio_sched_verify looks again */
#endif
};

/* The one piece of mutable state outside a scheduler; only task/sched.c and task/sched_end.c write
   it. */
extern _Thread_local kio_sched *kio_sched_of_thread
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* The scheduler that runs on this thread, or NULL. */
static inline kio_sched *kio_sched_current(void) {
  return kio_sched_of_thread;
}
/* kio_sched_current, but NULL in a forked child: there the loop is the parent's, and only memory
   may be touched. For whoever starts something, closes something, or asks for a scheduler of its
   own. */
static inline kio_sched *kio_sched_here(void) {
  kio_sched *sched = kio_sched_of_thread;
  return sched && kio_ring_alive(&sched->ring) ? sched : NULL;
}
/* Raises in L when it was not kio that resumed it: it goes on although nothing it waited for has
   come. For continuations of kio_task_yield_marked; those of kio_task_park need it not. */
static inline void kio_task_check_resumed(lua_State *L) {
  const kio_sched *sched = kio_sched_current();
  if (!sched || sched->leaf != L) kio_task_refuse_resume(L);
}
/* The number of this process; in a run the kernel need not be asked. */
static inline pid_t kio_sched_process(void) {
  const kio_sched *sched = kio_sched_here();
  return sched ? sched->process : getpid();
}
/* The moment `after_ns` from now; KIO_NEVER stays that. */
static inline int64_t kio_sched_due(kio_sched *sched, int64_t after_ns) {
  if (after_ns == KIO_NEVER) return KIO_NEVER;
  /* The turn's clock would let it end early. */
  return kio_after_ns(kio_ring_now_ns(&sched->ring), after_ns);
}
/* Starts a task's timer; KIO_NEVER needs none. False: memory is out. */
static inline bool kio_sched_timer(kio_sched *sched, kio_task *task, int64_t due_ns) {
  kio_debug_assert(task == sched->current || task->status == KIO_TASK_WAITING);
  return due_ns == KIO_NEVER || kio_timer_start(&sched->timers, &task->timer, due_ns);
}
/* Puts a ready task at the end of the queue. */
static inline void kio_sched_ready(kio_sched *sched, kio_task *task) {
  kio_debug_assert(task->sched == sched && task->status == KIO_TASK_READY);
  kio_list_push(&sched->ready, &task->wait_link);
  sched->ready_count++;
}
/* Takes one out of the queue. */
static inline void kio_sched_unready(kio_sched *sched, kio_task *task) {
  kio_assert(sched->ready_count > 0);
  kio_link_remove(&task->wait_link);
  sched->ready_count--;
}
/* Whether this turn has lasted so long that the kernel must be looked at. */
static inline bool kio_sched_is_late(kio_sched *sched) {
  return kio_ring_now_ns(&sched->ring) > sched->now_ns + KIO_SNAPSHOT_NS;
}
/* One more operation begins. False: time to ask kio_sched_is_spent. */
static inline bool kio_sched_spend(kio_sched *sched) {
  return (--sched->budget & (KIO_BUDGET_LOOK - 1)) != 0;
}
/* Whether the running task has begun so many operations without waiting, or for so long, that the
   loop must turn first: what is always ready would go on for ever. The clock costs more than most
   of these operations: it is looked at now and then only. */
static inline bool kio_sched_is_spent(kio_sched *sched) {
  bool looks = (sched->budget & (KIO_BUDGET_LOOK - 1)) == 0;
  return looks && (sched->budget <= 0 || kio_sched_is_late(sched));
}

#endif
