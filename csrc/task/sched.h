/* The scheduler: one thread's loop. Owns the ring, the timers, the buffers, the descriptor table
   and the live tasks. One turn: run a snapshot of the ready queue; expire timers; let streams queue
   their output; one kernel entry; then tell the owners of what has completed. Tasks are never
   resumed while completions are collected, and never nested. */
#ifndef KIO_TASK_SCHED_H
#define KIO_TASK_SCHED_H

#include <unistd.h>

#include "ring/buffer.h"
#include "ring/desc.h"
#include "ring/ring.h"
#include "task/interrupt.h"
#include "task/task.h"
#include "task/watchdog.h"
#include "thread/inbox.h"
#include "thread/runtime.h"

typedef struct kio_sched_config {
  const kio_ring_backend *backend; /* which ring */
  kio_ring_config ring;            /* how to open it */
  int64_t shutdown_ns;             /* how long unwinding may take */
  int64_t busy_poll_ns;            /* how long to look again and again before sleeping */
  kio_worker *worker;              /* of which runtime it is part; NULL: of none */
  bool serves;                     /* runs until it is told to stop, not until its tasks end */
  int64_t limit_ns;                /* how long the whole run may take; KIO_NEVER: no bound */
  uint64_t seed;                   /* ready tasks run in an order it decides; 0: first come */
  kio_watch_config watch;          /* who is told of tasks that hold the loop */
  /* The loop found something wrong (`trouble`) and is about to unwind. Must not raise; or NULL. */
  void (*on_trouble)(kio_sched *sched);
} kio_sched_config;

typedef struct kio_sched_stats {
  uint64_t turns;          /* turns of the loop */
  uint64_t resumes;        /* times a task was resumed */
  uint64_t spawned;        /* tasks made */
  uint64_t ended;          /* and of these, ended */
  int64_t longest_turn_ns; /* the longest time the loop did not look at the kernel */
} kio_sched_stats;

/* Something that must be told when the loop turns or ends: a stream. */
typedef struct kio_member {
  kio_link link;       /* in the scheduler's `members` */
  kio_link dirty_link; /* in its `dirty`, when it wants to queue output */
  bool held; /* it has gathered output that waits for more; the end of the run lets it go */
  void (*flush)(struct kio_member *member);  /* queue what has been gathered in this turn */
  void (*detach)(struct kio_member *member); /* the scheduler ends: forget it */
} kio_member;

struct kio_sched {
  lua_State *L;  /* the state kio.run was called in */
  pid_t process; /* that one was called in: a forked child is another */
  kio_ring ring;
  kio_timers timers; /* of tasks and scopes */
  kio_descs descs;
  kio_buffers buffers;
  kio_list ready;              /* tasks to run, in order, by wait_link */
  size_t ready_count;          /* how many */
  kio_list tasks;              /* tasks that have not ended, by link */
  size_t uncancelled;          /* how many of them nobody has cancelled */
  kio_list members;            /* streams alive on this scheduler */
  kio_list dirty;              /* those with output gathered in this turn */
  kio_queue short_of;          /* tasks that wait for a descriptor to become free */
  struct kio_signals *signals; /* what process/signals.c keeps; NULL: no signal was watched yet */
  kio_task *current;           /* the task that runs now; NULL: the loop itself */
  lua_State *leaf;             /* the coroutine that runs now: the task's, or one inside it */
  bool stuck;                  /* somewhere between the two Lua cannot yield */
  kio_scope root;              /* the scope of the whole run */
  kio_task *main;              /* the root task; anchored for the whole run */
  bool on_error;               /* there is one, in the registry by &root: kio.run's option */
  const char *trouble;  /* what the loop itself found wrong: a deadlock, a task left behind */
  bool trouble_first;   /* before any task's failure had reached the root */
  int64_t now_ns;       /* the clock, read once per turn */
  int64_t stop_ns;      /* when unwinding must be over; KIO_NEVER: not unwinding */
  int64_t limit_ns;     /* when the run must be over; KIO_NEVER: no bound, or passed */
  uint64_t random;      /* the state of the order that config.seed decides */
  kio_inbox *inbox;     /* how other threads reach this one; NULL: nobody can yet */
  bool slept;           /* the inbox was marked asleep for the wait that has just ended */
  kio_request *wake;    /* the read that ends a wait when something is posted; with the inbox */
  size_t expected;      /* posts that somebody here waits for: they will come by themselves ... */
  size_t mutual;        /* ... but for these, which only a task of some worker can send */
  kio_runtime *runtime; /* to be ended with the run; NULL: not by this one */
  bool serving;         /* goes on without tasks: others bring them */
  bool idle;            /* only they can wake it, as its runtime knows */
  bool asked;           /* the run ends because somebody asked it to */
  bool keep;            /* a worker that fails does not end the run */
  char late[2 * KIO_FAILURE_MAX]; /* of `trouble`: workers that failed, threads that were late */
  kio_watch watch;                /* how long the running task has held the loop */
  kio_interrupt interrupt;
  volatile sig_atomic_t hooked; /* what runs is under the watchdog's hook */
  kio_sched_config config;
  kio_sched_stats stats;
};

/* The one piece of mutable state outside a scheduler; only task/sched.c writes it. */
extern _Thread_local kio_sched *kio_sched_of_thread
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* The scheduler that runs on this thread, or NULL. */
static inline kio_sched *kio_sched_current(void) {
  return kio_sched_of_thread;
}
/* The same, but NULL in a forked child: there the loop is the parent's, and only memory may be
   touched. For whoever starts something, closes something, or asks for a scheduler of its own. */
static inline kio_sched *kio_sched_here(void) {
  kio_sched *sched = kio_sched_of_thread;
  return sched && kio_ring_alive(&sched->ring) ? sched : NULL;
}
/* The number of this process; in a run the kernel need not be asked. */
static inline pid_t kio_sched_process(void) {
  const kio_sched *sched = kio_sched_here();
  return sched ? sched->process : getpid();
}
/* Opens the ring and becomes the thread's scheduler, in place of one that was lost by a fork. 0 or
   a negative errno. */
int kio_sched_init(kio_sched *sched, lua_State *L, const kio_sched_config *config);
/* Cancels what is in flight, waits for it within shutdown_ns, closes the ring. Tasks that have not
   ended never run again. May be called twice, also while a task runs (lua_close within a task). */
void kio_sched_fini(kio_sched *sched);
/* Runs until every task has ended and all output has left, or unwinding takes too long. */
void kio_sched_run(kio_sched *sched);
/* Begins to unwind: cancels the root scope; a worker serves no more. */
void kio_sched_stop(kio_sched *sched);
/* A task has ended: wakes those that await it, and tells its scope. */
void kio_sched_ended(kio_sched *sched, kio_task *task);
/* Queues a ready task; takes one out of the queue. */
void kio_sched_ready(kio_sched *sched, kio_task *task);
void kio_sched_unready(kio_sched *sched, kio_task *task);
/* The moment `after_ns` from now; KIO_NEVER stays that. */
static inline int64_t kio_sched_due(kio_sched *sched, int64_t after_ns) {
  if (after_ns == KIO_NEVER) return KIO_NEVER;
  /* The turn's clock would let it end early. */
  return kio_after_ns(kio_ring_now_ns(&sched->ring), after_ns);
}
/* Starts a task's timer; KIO_NEVER needs none. False: memory is out. */
static inline bool kio_sched_timer(kio_sched *sched, kio_task *task, int64_t due_ns) {
  return due_ns == KIO_NEVER || kio_timer_start(&sched->timers, &task->timer, due_ns);
}
/* Leaves by force the scopes that the task has opened in a coroutine (NULL: all), because that will
   not do it itself: their tasks are cancelled, and belong to the next scope outside from now on. */
void kio_sched_leave_scopes(kio_task *task, const lua_State *co);
/* Unanchors a failed task that its scope has taken out of its list of failures. */
void kio_sched_forget(kio_sched *sched, kio_task *task);
/* A task that has just been made ends with the rest of its scope. */
void kio_sched_make_daemon(kio_task *task);
/* The body of a scope is over: daemons that are alone in it are cancelled, but for those with
   `on_end`: whoever is told of their end cancels them. */
void kio_sched_end_daemons(kio_scope *scope);

/* A request on fd for `owner`, entered in the descriptor table. 0, -EBADF or -ENOMEM. */
int kio_sched_request(kio_sched *sched, kio_op op, int fd, void *owner, kio_done_fn done,
                      kio_request **out);
/* close(2), for every descriptor of ours, also outside a run: who waits for one is told. */
int kio_sched_close_fd(int fd);
/* A descriptor has become free, or whatever else those wait for: all of them try again. */
static inline void kio_sched_freed(kio_sched *sched) {
  if (!kio_queue_empty(&sched->short_of)) kio_queue_wake_all(&sched->short_of);
}
/* Gives a request back with its buffer. It must be IDLE or DONE. */
void kio_sched_release(kio_sched *sched, kio_request *request);
/* The same for one whose result nobody takes: the descriptor it brought, or owns, is closed. */
void kio_sched_dispose(kio_sched *sched, kio_request *request);
/* Nobody waits for this request any more: it is cancelled, and disposed of when it ends. NULL is
   allowed. */
void kio_sched_orphan(kio_sched *sched, kio_request *request);
/* Tells the owners of what has completed. */
void kio_sched_tell_owners(kio_sched *sched);
/* Lua may collect it from now on, as far as the scheduler is concerned. */
void kio_sched_unanchor(kio_sched *sched, const void *userdata);

/* The inbox, made when first asked for; NULL with *err set. */
kio_inbox *kio_sched_inbox(kio_sched *sched, int *err);
/* The pool of its runtime, likewise. */
kio_pool *kio_sched_pool(kio_sched *sched, int *err);
/* With an inbox, once a turn: does what others have posted, and may take a job. */
void kio_sched_take_posts(kio_sched *sched);
/* With an inbox: whether it would find any of these. */
bool kio_sched_has_posts(const kio_sched *sched);
/* With an inbox, before waiting: a post that comes from now on ends the wait, and so does a job
   somebody offers. False: one is there. */
bool kio_sched_sleep(kio_sched *sched);
/* Whether somebody may still post what is waited for here. */
bool kio_sched_awaits_posts(const kio_sched *sched);
/* The loop is over: what others post is refused from now on. */
void kio_sched_close_inbox(kio_sched *sched);
/* Ends the runtime it has to end, within what unwinding may still take; `trouble` names the threads
   and jobs that run on, and the workers that have failed. */
void kio_sched_end_runtime(kio_sched *sched);
/* Tells of the workers that have failed since the last call: on stderr when the run goes on without
   them. True: they are the run's trouble. */
bool kio_sched_take_failures(kio_sched *sched);
/* Tells that something is wrong with the run; the first one counts. */
void kio_sched_trouble(kio_sched *sched, const char *what);

/* The member, its functions set, is told of the turns and the end of this scheduler. */
void kio_sched_join(kio_sched *sched, kio_member *member);
/* No longer: one that has joined, and has not been detached. */
void kio_sched_leave(kio_member *member);
/* Has member->flush called before the next kernel entry. */
void kio_sched_dirty(kio_sched *sched, kio_member *member);

#endif
