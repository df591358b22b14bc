/* Owns the descriptors of a kio_passed: those that have come, until Lua has them, and copies of
   those that wait to be sent. Called by the thread of the Lua state. */
#include "net/passed.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <string.h>

#include "op/registry.h"
#include "task/io.h"

#define PASSED_TYPE "kio.Passed"

enum { PIDFD = 4 }; /* the kernel's SCM_PIDFD, of Linux 6.5 */

void kio_passed_keep(kio_passed *p, int max) {
  kio_assert(0 <= p->owned && p->owned <= p->count && p->count <= KIO_PASSED_MAX);
  while (p->owned > max) kio_sched_close_fd(p->fds[--p->owned]);
  if (p->count > max) p->count = max;
}

static void close_all(void *self) {
  kio_passed_keep(self, 0);
}

const kio_type kio_passed_type = {.name = PASSED_TYPE, .end = close_all};

kio_passed *kio_passed_push(lua_State *L) {
  kio_passed *p = lua_newuserdatauv(L, sizeof *p, 0);
  p->max = p->count = p->owned = 0;
  luaL_setmetatable(L, PASSED_TYPE);
  return p;
}

int kio_passed_hold(kio_passed *p) {
  for (; p->owned < p->count; p->owned++) {
    int fd = fcntl(p->fds[p->owned], F_DUPFD_CLOEXEC, 3);
    if (fd < 0) return errno;
    p->fds[p->owned] = fd;
  }
  return 0;
}

void kio_passed_put(struct msghdr *header, kio_control *room, const kio_passed *p) {
  if (p->count == 0) return;
  kio_assert(p->count <= KIO_PASSED_MAX);
  size_t size = (size_t)p->count * sizeof *p->fds;
  memset(room, 0, sizeof *room);
  header->msg_control = room->bytes;
  header->msg_controllen = CMSG_SPACE(size);
  struct cmsghdr *rights = CMSG_FIRSTHDR(header);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(size);
  memcpy(CMSG_DATA(rights), p->fds, size);
}

/* What else may hold a descriptor: who the sender is, asked for by whoever made the socket. */
static void drop_pidfd(const struct cmsghdr *c) {
  int fd;
  if (c->cmsg_type != PIDFD || c->cmsg_len < CMSG_LEN(sizeof fd)) return;
  memcpy(&fd, CMSG_DATA(c), sizeof fd);
  if (fd >= 0) kio_sched_close_fd(fd);
}

void kio_passed_take(struct msghdr *header, kio_passed *p) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
    if (c->cmsg_level != SOL_SOCKET) continue;
    drop_pidfd(c);
    if (c->cmsg_type != SCM_RIGHTS) continue;
    size_t size = c->cmsg_len - CMSG_LEN(0);
    kio_assert(p->owned == p->count); /* or one of the program's would be closed as ours */
    kio_assert(size <= sizeof p->fds - (size_t)p->count * sizeof *p->fds);
    memcpy(p->fds + p->count, CMSG_DATA(c), size);
    p->count += (int)(size / sizeof *p->fds);
    p->owned = p->count;
  }
}
