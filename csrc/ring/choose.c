/* Owns the choice, the one thing about rings that a process decides once. Only what will not pass
   makes it epoll's: with memory or descriptors short io_uring is what there is, and the run says
   that it cannot start. */
#include "ring/choose.h"

#include <errno.h>
#include <string.h>

#include "base/errname.h"
#include "base/log.h"

enum { UNDECIDED = 1 };

/* 0: io_uring; negative: epoll, and why. */
static _Atomic int verdict = UNDECIDED;

const kio_ring_backend *kio_ring_named(const char *name) {
  static const kio_ring_backend *const rings[] = {
      &kio_ring_uring,
      &kio_ring_epoll,
#ifdef KIO_TEST
      &kio_ring_sim,
#endif
  };
  for (size_t i = 0; i < KIO_COUNT(rings); i++) {
    if (strcmp(name, rings[i]->name) == 0) return rings[i];
  }
  return NULL;
}

static bool will_not_pass(int err) {
  return err == -ENOSYS || err == -EPERM || err == -EACCES || err == -EINVAL || err == -EOPNOTSUPP;
}

/* Tries a small ring. */
static int try_uring(void) {
  enum { SMALL = 8 };
  kio_ring ring;
  kio_ring_config config = {.entries = SMALL, .sqpoll_ms = -1};
  int err = kio_ring_open(&ring, &kio_ring_uring, &config);
  if (err == 0) kio_ring_close(&ring);
  return err;
}

const kio_ring_backend *kio_ring_choose(void) {
  if (verdict == UNDECIDED) {
    int err = try_uring();
    if (err && !will_not_pass(err)) return &kio_ring_uring;
    verdict = err;
    if (err) kio_log("io_uring is not to be had (%s): this process has epoll", kio_errname(-err));
  }
  return verdict < 0 ? &kio_ring_epoll : &kio_ring_uring;
}
