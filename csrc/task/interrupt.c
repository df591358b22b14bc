/* Owns the SIGINT handler of a run. The handler may come between any two machine instructions of
   the loop, so all it does is async-signal-safe (signal-safety(7)):
   - it finds the scheduler through the thread-local pointer, which is of the initial-exec model: a
     load, no allocation. While that pointer is set the scheduler is whole;
   - it writes two flags of type sig_atomic_t;
   - it wakes the scheduler through the inbox's eventfd: the loop does not fall asleep past it, even
     when the signal comes just before the kernel is entered;
   - lua_sethook on the coroutine that runs: Lua allows that in handlers, its own interpreter does
     the same. `leaf` is written before a coroutine is resumed and after it has yielded, and both
     times `hooked` is looked at after that: whichever coroutine goes on has the hook;
   - signal(2), gettid(2), tgkill(2): system calls; errno is kept. None can fail here, but tgkill
     when the first thread has ended: then there is no run to interrupt.
   On another thread than the first it sends the signal on to that one, which has the run. */
#include "task/interrupt.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "system/newer.h"
#include "task/here.h"
#include "task/hook.h"
#include "task/sched_inbox.h"

static void note(kio_sched *sched) {
  signal(SIGINT, SIG_DFL);
  sched->interrupt.state = KIO_INTERRUPT_NOTED;
  sched->hooked = true;
  if (sched->leaf) kio_hook_strike(sched->leaf);
  if (sched->door.inbox)
    kio_inbox_wake(sched->door.inbox); /* without one EINTR ends nearly every wait */
}

static void on_interrupt(int number) {
  int err = errno;
  kio_sched *sched = kio_sched_of_thread;
  pid_t process = getpid(); /* also the number of its first thread */
  if (kio_gettid() != process) {
    syscall(SYS_tgkill, process, process, number);
  } else if (sched && kio_ring_alive(&sched->ring)) {
    note(sched);
  } else { /* a forked child: the loop is its parent's */
    signal(number, SIG_DFL);
    raise(number);
  }
  errno = err;
}

void kio_interrupt_install(kio_sched *sched) {
  struct sigaction ours = {.sa_handler = on_interrupt}; /* no SA_RESTART: calls end early */
  struct sigaction *before = &sched->interrupt.before;
  int err; /* no descriptor left: no reason not to run */
  kio_assert(!sched->interrupt.installed);
  sigemptyset(&ours.sa_mask);
  if (kio_gettid() != getpid() || sigaction(SIGINT, NULL, before) != 0) return;
  bool ignored = !(before->sa_flags & SA_SIGINFO) && before->sa_handler == SIG_IGN;
  if (ignored) return;
  kio_sched_inbox(sched, &err);
  sched->interrupt.installed = sigaction(SIGINT, &ours, NULL) == 0;
}

void kio_interrupt_restore(kio_sched *sched) {
  struct sigaction now;
  if (!sched->interrupt.installed) return;
  sched->interrupt.installed = false;
  if (sigaction(SIGINT, NULL, &now) != 0) return;
  bool spent = sched->interrupt.state != KIO_INTERRUPT_NONE && now.sa_handler == SIG_DFL;
  if (spent || now.sa_handler == on_interrupt) sigaction(SIGINT, &sched->interrupt.before, NULL);
}
