/* Owns the epoll descriptor and the rows. Invariant: a row is registered only while its number has
   the tenant it had then, as far as this process closes numbers by kio. */
#include "ring/epoll_rows.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/config.h"
#include "base/memory.h"
#include "base/number.h"

enum { BLOCK = 64 }; /* rows made at once */

int kio_rows_init(kio_rows *rows) {
  *rows = (kio_rows){.fd = kio_number_own(epoll_create1(EPOLL_CLOEXEC))};
  kio_list_init(&rows->changes);
  return rows->fd >= 0 ? 0 : -errno;
}

void kio_rows_fini(kio_rows *rows) {
  kio_number_close(rows->fd);
  for (size_t i = 0; i < rows->count; i++) kio_memory_free(rows->blocks[i]);
  kio_memory_free(rows->blocks);
}

kio_row *kio_rows_find(const kio_rows *rows, int fd) {
  size_t block = (size_t)fd / BLOCK;
  if (fd < 0 || block >= rows->count || !rows->blocks[block]) return NULL;
  return &rows->blocks[block][(size_t)fd % BLOCK];
}

static bool make_room(kio_rows *rows, size_t block) {
  if (block < rows->count) return true;
  size_t count = block * 2 + 16;
  kio_row **blocks = kio_memory_resize(rows->blocks, count * sizeof *blocks);
  if (!blocks) return false;
  memset(blocks + rows->count, 0, (count - rows->count) * sizeof *blocks);
  rows->blocks = blocks;
  rows->count = count;
  return true;
}

static kio_row *new_block(int first) {
  kio_row *block = kio_memory_new(BLOCK * sizeof *block);
  for (int i = 0; block && i < BLOCK; i++) {
    block[i].fd = first + i;
    kio_list_init(&block[i].waiting);
  }
  return block;
}

kio_row *kio_rows_make(kio_rows *rows, int fd) {
  kio_assert(fd >= 0 && fd < KIO_FD_MAX);
  size_t block = (size_t)fd / BLOCK;
  if (!make_room(rows, block)) return NULL;
  if (!rows->blocks[block]) rows->blocks[block] = new_block((int)block * BLOCK);
  return kio_rows_find(rows, fd);
}

void kio_row_reset(kio_row *row) {
  if (kio_link_linked(&row->change)) kio_link_remove(&row->change);
  row->generation++;
  row->tenant = kio_number_tenant(row->fd);
  row->events = 0;
  row->registered = row->edge = row->tcp = row->drained = row->ends = false;
  row->in_vain = 0;
}

static int control(const kio_rows *rows, const kio_row *row, int what, uint32_t events) {
  kio_assert(row->fd >= 0 && row->fd != rows->fd);
  struct epoll_event event = {.events = events};
  event.data.u64 = (uint64_t)row->generation << 32 | (uint32_t)row->fd;
  return epoll_ctl(rows->fd, what, row->fd, &event) == 0 ? 0 : -errno;
}

void kio_rows_forget(kio_rows *rows, int fd, bool alive) {
  kio_row *row = kio_rows_find(rows, fd);
  if (!row) return;
  if (row->registered && alive) control(rows, row, EPOLL_CTL_DEL, 0);
  kio_row_reset(row);
}

void kio_row_change(kio_rows *rows, kio_row *row) {
  kio_assert(!kio_list_empty(&row->waiting));
  if (!kio_link_linked(&row->change)) kio_list_push(&rows->changes, &row->change);
}

/* Somebody else may have closed the number, and with it the registration, or made one. */
int kio_row_watch(kio_rows *rows, kio_row *row, uint32_t events) {
  kio_assert(events != 0 && !kio_link_linked(&row->change));
  uint32_t how = events | (row->edge ? (uint32_t)EPOLLET : (uint32_t)EPOLLONESHOT);
  int err = control(rows, row, row->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, how);
  if (err == -ENOENT) err = control(rows, row, EPOLL_CTL_ADD, how);
  if (err == -EEXIST) err = control(rows, row, EPOLL_CTL_MOD, how);
  row->registered = err == 0;
  row->events = err == 0 ? events : 0;
  return err;
}

kio_row *kio_rows_named(const kio_rows *rows, uint64_t name) {
  kio_row *row = kio_rows_find(rows, (int)(uint32_t)name);
  return row && row->registered && row->generation == name >> 32 ? row : NULL;
}
