/* Owns the signalfd, the poll on it and the thread's mask. Invariants: a signal is blocked by us
   exactly while a watch has it; the poll is under way exactly while a task waits, or is ending.
   The descriptor is polled, not read, by the ring: a cancelled poll takes no signal along. Called
   by the scheduler's thread only. */
#include "process/signals.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/number.h"
#include "task/here.h"
#include "task/io.h"
#include "task/member.h"
#include "task/task.h"
#include "task/wait.h"

struct kio_signals {
  kio_member member; /* of the scheduler, for its end */
  kio_sched *sched;
  kio_list watches;  /* kio_watch_signals, by link */
  kio_request *poll; /* waits for the descriptor to be readable */
  uint64_t set;      /* what the descriptor tells of: all watched signals */
  uint64_t blocked;  /* those that we have blocked, and were not before */
  int fd;            /* a signalfd */
};

/* ---- sets ---- */

static sigset_t to_sigset(uint64_t set) {
  sigset_t out;
  sigemptyset(&out);
  for (int n = 1; n <= KIO_SIGNAL_MAX; n++) {
    if (set & kio_signal_bit(n)) sigaddset(&out, n);
  }
  return out;
}

static uint64_t blocked_now(void) {
  sigset_t now;
  uint64_t set = 0;
  int err = pthread_sigmask(SIG_SETMASK, NULL, &now);
  kio_assert(err == 0);
  for (int n = 1; n <= KIO_SIGNAL_MAX; n++) {
    if (sigismember(&now, n) == 1) set |= kio_signal_bit(n);
  }
  return set;
}

static void mask(int how, uint64_t set) {
  sigset_t signals = to_sigset(set);
  int err = set ? pthread_sigmask(how, &signals, NULL) : 0;
  kio_assert(err == 0);
}

bool kio_signals_may_watch(int number) {
  switch (number) {
  case SIGKILL:
  case SIGSTOP: /* cannot be blocked */
  case SIGSEGV:
  case SIGBUS:
  case SIGFPE:
  case SIGILL: return false; /* blocked, such a fault ends the process all the same */
  default: return number > 0 && number <= KIO_SIGNAL_MAX;
  }
}

/* ---- telling ---- */

static bool anybody_waits(const kio_signals *s) {
  KIO_LIST_EACH(&s->watches, link) {
    const kio_task *waiter = KIO_CONTAINER(link, kio_watch_signals, link)->waiter;
    if (waiter && waiter->status == KIO_TASK_WAITING) return true;
  }
  return false;
}

static void wake(kio_watch_signals *watch) {
  kio_task *waiter = watch->waiter;
  if (waiter && waiter->status == KIO_TASK_WAITING) kio_task_wake(waiter);
}

static void tell(kio_signals *s, uint64_t bit) {
  kio_watch_signals *only = NULL;
  int count = 0;
  KIO_LIST_EACH(&s->watches, link) {
    kio_watch_signals *watch = KIO_CONTAINER(link, kio_watch_signals, link);
    if (!(watch->set & bit)) continue;
    watch->come |= bit;
    watch->alone &= ~bit;
    wake(watch);
    only = watch;
    count++;
  }
  if (count == 1) only->alone |= bit;
}

/* Takes what the kernel keeps for us. Whether there was any. */
static bool read_signals(kio_signals *s) {
  struct signalfd_siginfo info;
  bool any = false;
  while (read(s->fd, &info, sizeof info) == (ssize_t)sizeof info) {
    tell(s, kio_signal_bit((int)info.ssi_signo));
    any = true;
  }
  return any;
}

static bool polling(const kio_signals *s) {
  return s->poll->state != KIO_REQUEST_IDLE && s->poll->state != KIO_REQUEST_DONE;
}

static void start_poll(kio_signals *s) {
  if (polling(s)) return;
  kio_request_renew(s->poll);
  s->poll->arg.events = POLLIN;
  kio_ring_queue(&s->sched->ring, s->poll);
}

static void fail(kio_signals *s, int err) {
  KIO_LIST_EACH(&s->watches, link) {
    kio_watch_signals *watch = KIO_CONTAINER(link, kio_watch_signals, link);
    if (watch->waiter) watch->err = err;
    wake(watch);
  }
}

static void stop_poll(kio_signals *s) {
  if (polling(s) && !anybody_waits(s)) kio_ring_cancel(&s->sched->ring, s->poll, false);
}

/* One cancelled because nobody waited any more may find that somebody waits again. */
static void polled(kio_request *poll) {
  kio_signals *s = poll->owner;
  bool ready = anybody_waits(s) && poll->result >= 0, in_vain = ready && !read_signals(s);
  size_t tries = in_vain ? poll->tries + 1U : 0;
  if (poll->result < 0 && poll->result != -ECANCELED) fail(s, -poll->result);
  if (!anybody_waits(s)) return;
  start_poll(s);
  kio_request_distrust(poll, tries); /* ready, and there was nothing: not at once again */
}

/* ---- life ---- */

/* The scheduler ends, and what is still watched is let through again. */
static void detach(kio_member *member) {
  kio_signals *s = KIO_CONTAINER(member, kio_signals, member);
  kio_link *link;
  while ((link = kio_list_first(&s->watches))) {
    kio_watch_signals *watch = KIO_CONTAINER(link, kio_watch_signals, link);
    watch->waiter = NULL; /* it never runs again */
    kio_signals_close(watch);
  }
  if (!polling(s)) kio_sched_release(s->sched, s->poll); /* else the scheduler orphans it */
  kio_number_close(s->fd);
  s->sched->signals = NULL;
  kio_memory_free(s);
}

static int open_signals(kio_sched *sched, kio_signals *s) {
  sigset_t none = to_sigset(0);
  s->sched = sched;
  kio_list_init(&s->watches);
  s->fd = kio_number_own(signalfd(-1, &none, SFD_CLOEXEC | SFD_NONBLOCK));
  if (s->fd < 0) return -errno;
  int err = kio_sched_request(sched, KIO_OP_POLL, s->fd, s, polled, &s->poll);
  if (err) kio_number_close(s->fd);
  return err;
}

static const kio_member_kind membership = {.detach = detach};

static int make(kio_sched *sched) {
  kio_signals *s = kio_memory_new(sizeof *s);
  if (!s) return -ENOMEM;
  int err = open_signals(sched, s);
  if (err) {
    kio_memory_free(s);
    return err;
  }
  s->member.kind = &membership;
  kio_sched_join(sched, &s->member);
  sched->signals = s;
  return 0;
}

/* ---- watches ---- */

/* Has the descriptor tell of exactly the watched signals. It fails only when the program has closed
   it by its number; the masks are put right all the same. */
static int update(kio_signals *s) {
  uint64_t set = 0;
  KIO_LIST_EACH(&s->watches, link) set |= KIO_CONTAINER(link, kio_watch_signals, link)->set;
  sigset_t signals = to_sigset(set);
  s->set = set;
  return signalfd(s->fd, &signals, 0) < 0 ? -errno : 0;
}

int kio_signals_watch(kio_sched *sched, kio_watch_signals *watch) {
  int err = sched->signals ? 0 : make(sched);
  if (err) return err;
  kio_signals *s = sched->signals;
  uint64_t fresh = watch->set & ~s->set & ~blocked_now();
  kio_list_push(&s->watches, &watch->link);
  mask(SIG_BLOCK, fresh); /* first: between the two a signal would be lost to us */
  err = update(s);
  if (err) {
    mask(SIG_UNBLOCK, fresh);
    kio_link_remove(&watch->link);
    (void)update(s); /* without it, and with the same failure */
    return err;
  }
  s->blocked |= fresh;
  watch->signals = s;
  return 0;
}

/* Sends this thread again what it has taken from the kernel for nobody. */
static void give_back(uint64_t set) {
  for (int n = 1; n <= KIO_SIGNAL_MAX; n++) {
    if (set & kio_signal_bit(n)) raise(n); /* fails only for what is no signal */
  }
}

void kio_signals_close(kio_watch_signals *watch) {
  kio_signals *s = watch->signals;
  if (!s) return;
  watch->signals = NULL;
  kio_link_remove(&watch->link);
  wake(watch);
  stop_poll(s);
  (void)update(s);
  give_back(watch->come & watch->alone); /* blocked until the next line, if it is let through */
  uint64_t free = s->blocked & ~s->set;
  s->blocked &= ~free;
  mask(SIG_UNBLOCK, free);
}

int kio_signals_take(kio_watch_signals *watch) {
  if (watch->come == 0 && watch->signals) read_signals(watch->signals);
  if (watch->come == 0) return 0;
  int number = __builtin_ctzll(watch->come) + 1;
  watch->come &= ~kio_signal_bit(number);
  return number;
}

void kio_signals_await(kio_watch_signals *watch, kio_task *task) {
  kio_assert(watch->signals && !watch->waiter);
  watch->waiter = task;
  watch->err = 0;
  task->subject = watch;
  start_poll(watch->signals);
}

void kio_signals_abandon(kio_task *task) {
  kio_watch_signals *watch = task->subject;
  kio_signals *s = watch->signals;
  kio_task_wake(task);
  stop_poll(s);
}
