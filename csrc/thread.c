/* Owns nothing, but in test builds the number of starts that are to fail. Called from any thread.
   */
#include "thread.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <time.h>

#ifdef KIO_TEST
static _Thread_local int fail_count;

void kio_thread_fail(int count) {
  fail_count = count;
}

static bool refused(void) {
  return fail_count > 0 && fail_count-- > 0;
}
#else
static bool refused(void) {
  return false;
}
#endif

static int create(pthread_t *thread, size_t stack_size, void *(*main)(void *), void *arg) {
  pthread_attr_t attr;
  if (refused()) return EAGAIN;
  int err = pthread_attr_init(&attr);
  if (err) return err;
  if (stack_size > 0) pthread_attr_setstacksize(&attr, stack_size);
  err = pthread_create(thread, &attr, main, arg);
  pthread_attr_destroy(&attr);
  return err;
}

int kio_thread_start(pthread_t *thread, const char *name, size_t stack_size, void *(*main)(void *),
                     void *arg) {
  sigset_t all, before;
  char text[16];
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before); /* inherited by the new thread */
  int err = create(thread, stack_size, main, arg);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (err) return -err;
  snprintf(text, sizeof text, "%s", name);
  pthread_setname_np(*thread, text);
  return 0;
}

void kio_thread_join(pthread_t thread) {
  int err = pthread_join(thread, NULL);
  kio_assert(err == 0);
}

/* Lua unloads a C library with its state; a thread still running in there must not lose its code.
   */
static void stay_loaded(void) {
  Dl_info about;
  if (dladdr((void *)(uintptr_t)stay_loaded, &about) == 0) return;
  dlopen(about.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

void kio_thread_abandon(pthread_t thread) {
  stay_loaded();
  pthread_detach(thread);
}

void kio_cond_init(pthread_cond_t *cond) {
  pthread_condattr_t attr;
  pthread_condattr_init(&attr);
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  pthread_cond_init(cond, &attr);
  pthread_condattr_destroy(&attr);
}

bool kio_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t until_ns) {
  if (until_ns == KIO_NEVER) return pthread_cond_wait(cond, lock) == 0;
  struct timespec until = {.tv_sec = until_ns / KIO_NS_PER_SEC,
                           .tv_nsec = until_ns % KIO_NS_PER_SEC};
  return pthread_cond_timedwait(cond, lock, &until) == 0;
}

int64_t kio_real_now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * KIO_NS_PER_SEC + now.tv_nsec;
}
