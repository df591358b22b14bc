/* Streams on descriptors that are there already: those of pipes, terminals and files, and the
   standard ones. Needs no task. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/number.h"
#include "net/stream_lua.h"
#include "op/close.h"
#include "op/op.h"
#include "op/registry.h"

/* `peer` without an address: it is no socket. */
static kio_stream *make(lua_State *L, int fd, const kio_sockaddr *peer) {
  const kio_carrier *carrier = peer->size > 0 ? &kio_carrier_socket : kio_carrier_of(fd);
  kio_stream_push_empty(L);
  kio_stream_handle *h = lua_touserdata(L, -1);
  return h->stream = kio_stream_new(fd, peer, carrier);
}

/* 0 or an errno: a folder cannot be read, and a socket is another room's. */
static int unfit(int fd, struct stat *about) {
  if (fstat(fd, about) != 0) return errno;
  return S_ISDIR(about->st_mode) ? EISDIR : 0;
}

/* stream_take(fd) -> stream, which owns the descriptor of a pipe, a terminal, a device or a file */
static int l_take(lua_State *L) {
  struct stat about;
  kio_sockaddr nobody = {.size = 0};
  int fd = kio_check_fd(L, 1);
  int err = kio_close_is_near(fd);
  if (!err) err = unfit(fd, &about);
  if (!err && fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) err = errno;
  if (!err && !make(L, fd, &nobody)) err = ENOMEM;
  return err ? kio_fail_fd(L, err, "stream", fd) : 1;
}

/* stream_standard("stdin" | "stdout" | "stderr") -> stream, which borrows the descriptor */
static int l_standard(lua_State *L) {
  static const char *const names[] = {"stdin", "stdout", "stderr", NULL};
  struct stat about;
  kio_sockaddr peer;
  int fd = luaL_checkoption(L, 1, NULL, names);
  int err = kio_number_is_filled(fd) ? EBADF : unfit(fd, &about);
  if (err) return kio_fail(L, err, "stream", names[fd]);
  kio_address_blank(&peer);
  bool socket = S_ISSOCK(about.st_mode) && getpeername(fd, &peer.as.any, &peer.size) == 0;
  if (!socket) peer.size = 0;
  kio_stream *stream = make(L, fd, &peer);
  if (!stream) return kio_fail(L, ENOMEM, "stream", names[fd]);
  kio_stream_borrow(stream);
  return 1;
}

const luaL_Reg kio_standard_own[] = {
    {"stream_take", l_take},
    {"stream_standard", l_standard},
    {NULL, NULL},
};
