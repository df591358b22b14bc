/* Owns the table. Invariant: a request is in the list of each descriptor it works on from before
   it is queued until it is given back. Called by the scheduler's thread only. */
#include "ring/desc.h"

#include <errno.h>
#include <string.h>

#include "base/config.h"
#include "base/memory.h"
#include "base/number.h"

void kio_descs_init(kio_descs *descs) {
  *descs = (kio_descs){0};
}

void kio_descs_fini(kio_descs *descs) {
  for (size_t i = 0; i < descs->count; i++) kio_memory_free(descs->rows[i]);
  kio_memory_free(descs->rows);
  kio_descs_init(descs);
}

static bool grow(kio_descs *descs, size_t row) {
  size_t count = descs->count ? descs->count : 1;
  while (count <= row) count *= 2;
  kio_desc **rows = kio_memory_resize(descs->rows, count * sizeof *rows);
  if (!rows) return false;
  memset(rows + descs->count, 0, (count - descs->count) * sizeof *rows);
  descs->rows = rows;
  descs->count = count;
  return true;
}

static kio_desc *new_row(size_t row_size) {
  kio_desc *row = kio_memory_new(row_size * sizeof *row);
  for (size_t i = 0; row && i < row_size; i++) kio_list_init(&row[i].requests);
  return row;
}

/* A new entry for fd; NULL when memory is out. */
static kio_desc *make(kio_descs *descs, int fd) {
  size_t row = (size_t)fd / KIO_DESC_ROW;
  if (row >= descs->count && !grow(descs, row)) return NULL;
  if (!descs->rows[row]) descs->rows[row] = new_row(KIO_DESC_ROW);
  return kio_desc_find(descs, fd);
}

/* Also while the request that closes it waits in the queue; the slot may serve another by now. */
static bool closing(const kio_desc *desc, int fd) {
  const kio_request *close = desc->close;
  bool queued = close && close->state == KIO_REQUEST_QUEUED;
  return desc->closing || (queued && close->op == KIO_OP_CLOSE && close->fd == fd);
}

int kio_desc_enter_slowly(kio_descs *descs, kio_request *request, int fd, uint32_t slot) {
  if (fd < 0) return 0; /* AT_FDCWD and the like: nothing to guard */
  if (fd >= KIO_FD_MAX) return -EBADF;
  kio_desc *desc = kio_desc_find(descs, fd);
  if (!desc) desc = make(descs, fd);
  if (!desc) return -ENOMEM;
  return closing(desc, fd) ? -EBADF : kio_desc_list(desc, request, fd, slot);
}

static kio_request *request_of(kio_link *link) {
  kio_fd_ref *ref = KIO_CONTAINER(link, kio_fd_ref, link);
  return KIO_CONTAINER(ref - ref->slot, kio_request, fd_ref);
}

/* One whose `done` has not been called yet counts as well: it was cancelled before the kernel saw
   it. */
static bool busy(const kio_desc *desc) {
  KIO_LIST_EACH(&desc->requests, link) {
    const kio_request *request = request_of(link);
    if (kio_request_under_way(request) || request->state == KIO_REQUEST_COMPLETE) return true;
  }
  return false;
}

bool kio_desc_busy(const kio_descs *descs, int fd) {
  const kio_desc *desc = kio_desc_find(descs, fd);
  return desc && busy(desc);
}

void *kio_desc_closer(kio_descs *descs, const kio_request *request, uint32_t slot) {
  if (!kio_link_linked(&request->fd_ref[slot].link)) return NULL;
  kio_desc *desc = kio_desc_find(descs, kio_request_fd(request, slot));
  if (!desc->closer || busy(desc)) return NULL;
  void *closer = desc->closer;
  kio_assert(desc->closing && descs->awaited > 0);
  descs->awaited--;
  desc->closer = NULL;
  return closer;
}

int kio_desc_close(kio_descs *descs, int fd) {
  if (fd < 0 || fd >= KIO_FD_MAX) return -EBADF;
  kio_desc *desc = kio_desc_find(descs, fd);
  if (!desc) desc = make(descs, fd);
  if (!desc) return -ENOMEM;
  if (closing(desc, fd)) return -EBADF;
  desc->closing = true;
  return 0;
}

bool kio_desc_closing(const kio_descs *descs, int fd) {
  const kio_desc *desc = kio_desc_find(descs, fd);
  return desc && closing(desc, fd);
}

void kio_desc_await(kio_descs *descs, int fd, void *task) {
  kio_desc *desc = kio_desc_find(descs, fd);
  kio_assert(desc && desc->closing && !desc->closer && busy(desc));
  desc->closer = task;
  descs->awaited++;
  desc->tenant = kio_number_tenant(fd);
}

bool kio_desc_reopen(kio_descs *descs, int fd) {
  kio_desc *desc = kio_desc_find(descs, fd);
  kio_assert(desc && desc->closing && !busy(desc));
  desc->closing = false;
  return kio_number_same(fd, desc->tenant);
}

void kio_desc_closed_by(kio_descs *descs, int fd, const kio_request *request) {
  kio_desc *desc = kio_desc_find(descs, fd);
  kio_assert(desc && !busy(desc));
  desc->closing = false;
  desc->close = request;
}

int kio_desc_cancel(kio_descs *descs, kio_ring *ring, int fd, uint8_t flags) {
  kio_desc *desc = kio_desc_find(descs, fd);
  int count = 0;
  if (!desc) return 0;
  KIO_LIST_EACH(&desc->requests, link) {
    kio_request *request = request_of(link);
    if (!kio_request_under_way(request)) continue;
    request->flags |= flags;
    kio_ring_cancel(ring, request, false);
    count++;
  }
  return count;
}

#ifdef KIO_TEST
static void verify_desc(const kio_descs *descs, const kio_desc *desc) {
  KIO_LIST_EACH(&desc->requests, link) {
    const kio_request *request = request_of(link);
    uint32_t slot = KIO_CONTAINER(link, kio_fd_ref, link)->slot;
    kio_assert(kio_desc_find(descs, kio_request_fd(request, slot)) == desc);
    kio_assert(request->state != KIO_REQUEST_FREE);
  }
  kio_assert(!desc->closer || (desc->closing && busy(desc)));
}

void kio_descs_verify(const kio_descs *descs) {
  size_t awaited = 0;
  for (size_t row = 0; row < descs->count; row++) {
    for (int i = 0; descs->rows[row] && i < KIO_DESC_ROW; i++) {
      verify_desc(descs, &descs->rows[row][i]);
      awaited += descs->rows[row][i].closer != NULL;
    }
  }
  kio_assert(awaited == descs->awaited);
}
#endif
