/* Owns nothing. The process's first thread has a handler: exec(2) replaces one by the default,
   which it would not do to SIG_IGN. Other threads block the signal, for nobody could count there
   whose handler it is; workers and the pool are started so. */
#include "task/sigpipe.h"

#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "system/newer.h"

static void ignore(int number) {
  (void)number;
}

static bool is_handler(const struct sigaction *action, void (*handler)(int)) {
  return !(action->sa_flags & SA_SIGINFO) && action->sa_handler == handler;
}

static kio_sigpipe block(void) {
  sigset_t pipe, before;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  if (pthread_sigmask(SIG_BLOCK, &pipe, &before) != 0) return KIO_SIGPIPE_LEFT;
  return sigismember(&before, SIGPIPE) ? KIO_SIGPIPE_LEFT : KIO_SIGPIPE_BLOCKED;
}

kio_sigpipe kio_sigpipe_hold(void) {
  struct sigaction now, ours = {.sa_handler = ignore, .sa_flags = SA_RESTART};
  sigemptyset(&ours.sa_mask);
  if (sigaction(SIGPIPE, NULL, &now) != 0) return KIO_SIGPIPE_LEFT;
  bool deadly = is_handler(&now, SIG_DFL);
  if (kio_gettid() != getpid())
    return deadly || is_handler(&now, ignore) ? block() : KIO_SIGPIPE_LEFT;
  if (!deadly || sigaction(SIGPIPE, &ours, NULL) != 0) return KIO_SIGPIPE_LEFT;
  return KIO_SIGPIPE_HANDLED;
}

/* One that has come while it was blocked was about a write that has failed. */
static void unblock(void) {
  sigset_t pipe;
  const struct timespec at_once = {0};
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  while (sigtimedwait(&pipe, NULL, &at_once) > 0 || errno == EINTR) continue;
  pthread_sigmask(SIG_UNBLOCK, &pipe, NULL);
}

void kio_sigpipe_restore(kio_sigpipe how) {
  struct sigaction now;
  if (how == KIO_SIGPIPE_BLOCKED) unblock();
  if (how != KIO_SIGPIPE_HANDLED || sigaction(SIGPIPE, NULL, &now) != 0) return;
  if (is_handler(&now, ignore)) signal(SIGPIPE, SIG_DFL);
}
