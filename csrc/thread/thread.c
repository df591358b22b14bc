/* Owns nothing, but in test builds the number of the start that is to fail. Any thread calls. */
#include "thread/thread.h"

#include <errno.h>
#include <signal.h>

#include "base/library.h"

#ifdef KIO_TEST
static _Thread_local int fail_in;

void kio_thread_fail_at(int n) {
  fail_in = n;
}

static bool refused(void) {
  return fail_in > 0 && --fail_in == 0;
}
#else
static bool refused(void) {
  return false;
}
#endif

/* What comes from outside is for the threads of the process's own; a fault is told where it
   happens: its handler may be a debugger's or a sanitizer's. */
static void foreign_signals(sigset_t *set) {
  static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
  sigfillset(set);
  for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) sigdelset(set, own[i]);
}

static int create(pthread_t *thread, const kio_thread_config *config, void *(*main)(void *),
                  void *arg) {
  pthread_attr_t attr;
  if (refused()) return EAGAIN;
  int err = pthread_attr_init(&attr);
  if (err) return err;
  if (config->stack_size > 0) err = pthread_attr_setstacksize(&attr, config->stack_size);
  if (!err && config->cpus)
    err = pthread_attr_setaffinity_np(&attr, sizeof *config->cpus, config->cpus);
  if (!err) err = pthread_create(thread, &attr, main, arg);
  pthread_attr_destroy(&attr);
  return err;
}

int kio_thread_start(pthread_t *thread, const kio_thread_config *config, void *(*main)(void *),
                     void *arg) {
  sigset_t foreign, before;
  char text[16];
  foreign_signals(&foreign);
  int masked = pthread_sigmask(SIG_BLOCK, &foreign, &before); /* inherited by the new thread */
  kio_assert(masked == 0);
  int err = create(thread, config, main, arg);
  masked = pthread_sigmask(SIG_SETMASK, &before, NULL);
  kio_assert(masked == 0);
  if (err) return -err;
  snprintf(text, sizeof text, "%s", config->name);
  pthread_setname_np(*thread, text); /* a thread without its name works as well */
  return 0;
}

void kio_thread_join(pthread_t thread) {
  int err = pthread_join(thread, NULL);
  kio_assert(err == 0);
}

void kio_thread_abandon(pthread_t thread) {
  kio_library_stay(); /* Lua unloads it with its state, and the thread runs in it */
  int err = pthread_detach(thread);
  kio_assert(err == 0);
}

void kio_cond_init(pthread_cond_t *cond) {
  pthread_condattr_t attr;
  int err = pthread_condattr_init(&attr);
  if (!err) err = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  if (!err) err = pthread_cond_init(cond, &attr);
  kio_assert(err == 0); /* no C library of Linux needs memory for one */
  pthread_condattr_destroy(&attr);
}

bool kio_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t until_ns) {
  if (until_ns == KIO_NEVER) return pthread_cond_wait(cond, lock) == 0;
  struct timespec until = {.tv_sec = until_ns / KIO_NS_PER_SEC,
                           .tv_nsec = until_ns % KIO_NS_PER_SEC};
  return pthread_cond_timedwait(cond, lock, &until) == 0;
}
