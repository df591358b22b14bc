/* Owns nothing. Options: socket(7), tcp(7), ipv6(7). */
#include "socket.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "address.h"

const kio_socket_options kio_socket_defaults = {
    .backlog = KIO_SOCKET_BACKLOG,
    .nodelay = true,
    .reuseaddr = true,
};

static int set(int fd, int level, int name, int value) {
  return setsockopt(fd, level, name, &value, sizeof value) == 0 ? 0 : -errno;
}

int kio_socket_set_nodelay(int fd, bool on) {
  return set(fd, IPPROTO_TCP, TCP_NODELAY, on);
}

int kio_socket_set_keepalive(int fd, int idle_s) {
  int err = set(fd, SOL_SOCKET, SO_KEEPALIVE, idle_s > 0);
  return err || idle_s <= 0 ? err : set(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle_s);
}

static int set_tcp(int fd, const kio_socket_options *options) {
  int err = options->nodelay ? kio_socket_set_nodelay(fd, true) : 0;
  if (err || options->keepalive_s <= 0) return err;
  return kio_socket_set_keepalive(fd, options->keepalive_s);
}

static int set_all(int fd, int family, const kio_socket_options *options) {
  int err = 0;
  if (options->send_buffer > 0) err = set(fd, SOL_SOCKET, SO_SNDBUF, options->send_buffer);
  if (!err && options->receive_buffer > 0) {
    err = set(fd, SOL_SOCKET, SO_RCVBUF, options->receive_buffer);
  }
  if (!err && family == AF_INET6 && options->v6only) err = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  return err || family == AF_UNIX ? err : set_tcp(fd, options);
}

/* fd, or the error with fd closed. */
static int or_close(int fd, int err) {
  if (err) close(fd);
  return err ? err : fd;
}

int kio_socket_new(const kio_sockaddr *address, const kio_socket_options *options) {
  int family = address->as.any.sa_family;
  int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  return or_close(fd, set_all(fd, family, options));
}

int kio_socket_listen(const kio_sockaddr *address, const kio_socket_options *options) {
  int fd = kio_socket_new(address, options);
  if (fd < 0) return fd;
  int err = options->reuseaddr ? set(fd, SOL_SOCKET, SO_REUSEADDR, 1) : 0;
  if (!err && options->reuseport) err = set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  if (!err && bind(fd, &address->as.any, address->size) != 0) err = -errno;
  if (!err && listen(fd, options->backlog) != 0) err = -errno;
  return or_close(fd, err);
}

int kio_socket_local(int fd, kio_sockaddr *address) {
  kio_address_blank(address);
  return getsockname(fd, &address->as.any, &address->size) == 0 ? 0 : -errno;
}
