/* Owns nothing. */
#include "system/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

mode_t kio_fd_type(int fd) {
  struct stat about;
  return fstat(fd, &about) == 0 ? about.st_mode & S_IFMT : 0;
}

bool kio_fd_must_not_wait(int fd) {
  int flags = fcntl(fd, F_GETFL);
  return flags < 0 || flags & O_NONBLOCK;
}

bool kio_fd_is_ready(int fd, short events) {
  struct pollfd look = {fd, events, 0};
  return poll(&look, 1, 0) > 0;
}

int kio_fd_unblock(int fd) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return -errno;
  if (!(flags & O_NONBLOCK)) fcntl(fd, F_SETFL, flags | O_NONBLOCK);
  return flags;
}

void kio_fd_reblock(int fd, int flags) {
  if (flags >= 0 && !(flags & O_NONBLOCK)) fcntl(fd, F_SETFL, flags); /* F_GETFL has given them */
}
