/* Owns the three lists every backend shares: queued, cancels, completed. Invariant: a request is in
   `queued`, or in a list of its backend's, exactly when it is QUEUED, and `pending` counts the
   QUEUED and INFLIGHT ones; what nobody owns (cancels, silent wake-ups) is never counted. Called by
   its thread only. */
#include "ring/ring.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/config.h"
#include "base/number.h"

/* ---- life ---- */

static const char nobody;     /* `alive` of a closed ring */
enum { WITNESS_SIZE = 4096 }; /* madvise(2) takes whole pages */

/* A page that the kernel clears in a forked child (MADV_WIPEONFORK): to know it there costs the
   parent one load, where getpid(2) would be a system call. NULL when memory is out. */
static char *new_witness(void) {
  int flags = MAP_PRIVATE | MAP_ANONYMOUS;
  char *page = mmap(NULL, WITNESS_SIZE, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (page == MAP_FAILED) return NULL;
  madvise(page, WITNESS_SIZE, MADV_WIPEONFORK); /* Linux 4.14: wherever io_uring is */
  *page = 1;
  return page;
}

static void free_witness(kio_ring *ring) {
  if (ring->alive != &nobody) munmap((void *)(uintptr_t)ring->alive, WITNESS_SIZE);
  ring->alive = &nobody;
}

int kio_ring_open(kio_ring *ring, const kio_ring_backend *backend, const kio_ring_config *config) {
  *ring = (kio_ring){.alive = new_witness()};
  if (!ring->alive) {
    ring->alive = &nobody;
    return -ENOMEM;
  }
  kio_slab_init(&ring->slab);
  ring->buffers = config->buffers;
  kio_list_init(&ring->queued);
  kio_list_init(&ring->cancels);
  kio_list_init(&ring->completed);
  int err = backend->open(ring, config);
  if (err == 0) ring->backend = backend;
  else free_witness(ring);
  return err;
}

void kio_ring_close(kio_ring *ring) {
  if (!ring->backend) return;
  ring->backend->close(ring);
  ring->backend = NULL;
  free_witness(ring);
  kio_assert(ring->pending > 0 || kio_list_empty(&ring->queued));
  if (ring->pending == 0) kio_slab_fini(&ring->slab);
}

void kio_ring_abandon(kio_ring *ring) {
  kio_request *request;
  for (size_t i = 0; (request = kio_slab_at(&ring->slab, i)); i++) {
    if (!kio_request_under_way(request)) continue;
    if (kio_link_linked(&request->link)) kio_link_remove(&request->link);
    kio_ring_complete(ring, request, -ECANCELED);
  }
}

/* ---- down and up ---- */

void kio_ring_cancel(kio_ring *ring, kio_request *request, bool try_once) {
  kio_assert(request->state >= KIO_REQUEST_QUEUED);
  if (request->flags & KIO_REQUEST_CANCELLING) return;
  if (request->state >= KIO_REQUEST_COMPLETE) { /* too late, but nobody is to try it once more */
    request->flags |= KIO_REQUEST_CANCELLING;
    return;
  }
  if (request->state == KIO_REQUEST_QUEUED && !try_once) {
    kio_link_remove(&request->link);
    kio_ring_complete(ring, request, -ECANCELED);
    return;
  }
  request->flags |= KIO_REQUEST_CANCELLING;
  request->try_once = try_once;
  kio_list_push(&ring->cancels, &request->cancel_link);
}

void kio_ring_silence(kio_ring *ring, kio_request *request) {
  kio_assert(kio_request_under_way(request) && !(request->flags & KIO_REQUEST_SILENT));
  request->flags |= KIO_REQUEST_SILENT;
  ring->pending--;
}

void kio_ring_unsilence(kio_ring *ring, kio_request *request) {
  bool silent = request->flags & KIO_REQUEST_SILENT;
  if (silent && kio_request_under_way(request)) ring->pending++;
  request->flags &= (uint8_t)~KIO_REQUEST_SILENT;
}

void kio_ring_cancel_again(kio_ring *ring, uint64_t id) {
  kio_request *request = kio_slab_find(&ring->slab, id);
  if (!request || request->state >= KIO_REQUEST_COMPLETE) return;
  kio_assert(request->flags & KIO_REQUEST_CANCELLING);
  if (!kio_link_linked(&request->cancel_link)) kio_list_push(&ring->cancels, &request->cancel_link);
}

bool kio_ring_is_stray(const kio_request *request) {
  for (uint32_t slot = 0; slot < 2; slot++) {
    const kio_fd_ref *ref = &request->fd_ref[slot];
    bool entered = kio_link_linked(&ref->link);
    if (entered && !kio_number_same(kio_request_fd(request, slot), ref->tenant)) return true;
  }
  return false;
}

/* What was queued before its number was closed, by whatever thread, must not reach the next one who
   has it. */
static void refuse_strays(kio_ring *ring) {
  uint32_t changes = kio_number_changes();
  if (ring->numbers == changes) return; /* nobody has closed anything since the last time */
  ring->numbers = changes;
  KIO_LIST_EACH(&ring->queued, link) {
    kio_request *request = KIO_CONTAINER(link, kio_request, link);
    if (!kio_ring_is_stray(request)) continue;
    kio_link_remove(link);
    kio_ring_complete(ring, request, -EBADF);
  }
}

void kio_ring_enter(kio_ring *ring, int64_t wait_ns) {
  kio_assert(wait_ns >= 0 && kio_ring_alive(ring)); /* a child never enters its parent's */
  ring->brought = false;
  if (ring->refused) return;
  refuse_strays(ring);
  /* A cancel of a queued request completes without the kernel: then there is no need to wait. */
  ring->backend->enter(ring, kio_ring_has_news(ring) ? 0 : wait_ns);
}

const char *kio_ring_name(const kio_ring *ring, const kio_ring_config *config) {
  return config->inner ? config->inner->name : ring->backend->name;
}

kio_request *kio_ring_next_cancel(kio_ring *ring) {
  KIO_LIST_EACH(&ring->cancels, link) {
    kio_request *request = KIO_CONTAINER(link, kio_request, cancel_link);
    if (request->state == KIO_REQUEST_QUEUED) continue; /* it must reach the kernel first */
    kio_assert(request->state == KIO_REQUEST_INFLIGHT);
    kio_link_remove(link);
    return request;
  }
  return NULL;
}

void kio_ring_note_failed(kio_ring *ring, const kio_request *request) {
  int lacks = kio_request_lacks_fds(request);
  if (lacks > ring->lacks_fds) ring->lacks_fds = lacks;
}

void kio_ring_more(kio_ring *ring, kio_request *request, int result) {
  kio_assert(request->state == KIO_REQUEST_INFLIGHT && kio_request_goes_on(request));
  ring->stats.more++;
  ring->brought = true;
  if (request->flags & KIO_REQUEST_ORPHAN) kio_number_close(result);
  else request->arg.accept.more(request, result);
}

void kio_ring_retry(kio_ring *ring, kio_request *request) {
  kio_assert(request->state == KIO_REQUEST_INFLIGHT);
  request->state = KIO_REQUEST_QUEUED;
  kio_list_push_front(&ring->queued, &request->link);
}

void kio_ring_put_off(kio_request *request, kio_list *list) {
  kio_assert(request->state == KIO_REQUEST_INFLIGHT);
  request->state = KIO_REQUEST_QUEUED;
  kio_list_push(list, &request->link);
}

void kio_ring_resume(kio_ring *ring, kio_request *request, bool over) {
  kio_assert(request->state == KIO_REQUEST_QUEUED);
  kio_link_remove(&request->link);
  if (over) kio_ring_complete(ring, request, -ECANCELED);
  else if (kio_ring_is_stray(request)) kio_ring_complete(ring, request, -EBADF);
  else kio_list_push(&ring->queued, &request->link);
}

void kio_ring_complete_id(kio_ring *ring, uint64_t id, int result) {
  kio_request *request = kio_ring_find(ring, id);
  if (request) kio_ring_complete(ring, request, result);
}

#ifdef KIO_TEST
void kio_ring_verify(const kio_ring *ring) {
  const kio_request *request;
  size_t pending = 0;
  kio_slab_verify(&ring->slab);
  for (size_t i = 0; (request = kio_slab_at(&ring->slab, i)); i++) {
    pending += kio_request_under_way(request) && !(request->flags & KIO_REQUEST_SILENT);
  }
  kio_assert(pending == ring->pending);
  kio_assert(kio_list_verify(&ring->queued) <= ring->slab.taken);
  KIO_LIST_EACH(&ring->queued, link) {
    kio_assert(KIO_CONTAINER(link, kio_request, link)->state == KIO_REQUEST_QUEUED);
  }
  kio_assert(kio_list_verify(&ring->cancels) <= ring->slab.taken);
  KIO_LIST_EACH(&ring->completed, link) {
    kio_assert(KIO_CONTAINER(link, kio_request, link)->state == KIO_REQUEST_COMPLETE);
  }
}
#endif
