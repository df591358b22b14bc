/* Sockets made elsewhere, by number: passed over a Unix socket, inherited, from the service
   manager. Owns nothing: the handle it makes owns the descriptor. Needs no task. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/config.h"
#include "net/connection.h"
#include "net/listener.h"
#include "net/sockopt.h"
#include "net/stream_lua.h"
#include "net/udp.h"
#include "op/close.h"
#include "op/op.h"
#include "op/registry.h"
#include "system/sockopt.h"

/* What a socket is. */
typedef struct nature {
  int family;
  int type;
  int listens;
  bool connected;
  kio_sockaddr peer;
} nature;

/* 0, or -errno: -ENOTSOCK, -EBADF. */
static int look(int fd, nature *n) {
  int err = kio_sockopt_ask(fd, SOL_SOCKET, SO_TYPE, &n->type);
  if (!err) err = kio_sockopt_ask(fd, SOL_SOCKET, SO_DOMAIN, &n->family);
  if (!err) err = kio_sockopt_ask(fd, SOL_SOCKET, SO_ACCEPTCONN, &n->listens);
  kio_address_blank(&n->peer);
  n->connected = !err && getpeername(fd, &n->peer.as.any, &n->peer.size) == 0;
  return err;
}

static const char *kind_of(const nature *n) {
  bool ours = n->family == AF_INET || n->family == AF_INET6 || n->family == AF_UNIX;
  if (!ours) return NULL;
  if (n->listens) return "listener";
  if (n->type == SOCK_DGRAM || (n->type == SOCK_SEQPACKET && n->connected)) return "udp";
  return n->type == SOCK_STREAM && n->connected ? "stream" : NULL;
}

/* The ring waits by itself, and takes O_NONBLOCK for the wish not to. */
static int prepare(int fd) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return -errno;
  if (!(flags & O_NONBLOCK)) return 0;
  return fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == 0 ? 0 : -errno;
}

static int make_stream(lua_State *L, int fd, const nature *n) {
  kio_assert(n->connected && n->peer.size > 0);
  kio_stream_handle *h = (kio_stream_push_empty(L), lua_touserdata(L, -1));
  h->stream = kio_stream_new(fd, &n->peer, &kio_carrier_socket);
  return h->stream ? 1 : kio_fail_fd(L, ENOMEM, "adopt", fd);
}

/* net_adopt(fd, kind | nil) -> listener, stream or udp, as the descriptor is; kind names the one
   that is expected. A failure leaves the descriptor to the caller. */
static int l_adopt(lua_State *L) {
  char subject[32], text[96];
  nature n = {0};
  int fd = kio_check_fd(L, 1);
  const char *wanted = luaL_optstring(L, 2, NULL);
  int err = -kio_close_is_near(fd);
  if (!err) err = look(fd, &n);
  if (err) return kio_fail_fd(L, -err, wanted ? wanted : "adopt", fd);
  const char *kind = kind_of(&n);
  if (!kind || (wanted && strcmp(kind, wanted) != 0)) {
    snprintf(subject, sizeof subject, "fd %d", fd);
    snprintf(text, sizeof text, "the socket is %s%s", kind ? "a " : "not connected, or of no kind ",
             kind ? kind : "that kio knows");
    return kio_fail_text(L, "EINVAL", wanted ? wanted : "adopt", subject, text);
  }
  err = prepare(fd);
  if (err) return kio_fail_fd(L, -err, wanted ? wanted : "adopt", fd);
  if (*kind == 's') return make_stream(L, fd, &n);
  bool listens = *kind == 'l', packets = n.type == SOCK_SEQPACKET;
  (listens ? kio_listener_push : kio_udp_push_empty)(L, packets);
  if (listens) kio_handle_fill(lua_touserdata(L, -1), fd);
  else kio_udp_fill(L, -1, fd, n.connected ? &n.peer : NULL);
  return 1;
}

/* ---- from the service manager ---- */

enum { FDS_START = 3 }; /* SD_LISTEN_FDS_START */

/* A decimal number from the environment; -1 when there is none. */
static long number_of(const char *name) {
  const char *text = getenv(name);
  char *end;
  if (!text || !*text) return -1;
  errno = 0;
  long value = strtol(text, &end, 10);
  return *end == 0 && errno == 0 ? value : -1;
}

/* net_activation() -> how many descriptors were handed over, from 3 on, and their names or nil.
   sd_listen_fds(3): they are this process's when LISTEN_PID says so. The variables are taken out of
   the environment: children would take them for theirs. */
static int l_activation(lua_State *L) {
  bool mine = number_of("LISTEN_PID") == (long)getpid();
  long count = mine ? number_of("LISTEN_FDS") : 0;
  if (count < 0 || count > KIO_FD_MAX - FDS_START) count = 0;
  lua_pushinteger(L, count);
  lua_pushstring(L, mine ? getenv("LISTEN_FDNAMES") : NULL); /* a nil of NULL */
  for (int i = 0; i < count; i++) { /* one that is closed is told when it is made a handle */
    fcntl(FDS_START + i, F_SETFD, FD_CLOEXEC);
  }
  unsetenv("LISTEN_PID");
  unsetenv("LISTEN_FDS");
  unsetenv("LISTEN_FDNAMES");
  return 2;
}

const luaL_Reg kio_adopt_own[] = {
    {"net_adopt", l_adopt},
    {"net_activation", l_activation},
    {NULL, NULL},
};
