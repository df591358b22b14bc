/* Owns nothing. The options themselves are in system/sockopt.c. */
#include "system/socket.h"

#include <errno.h>
#include <unistd.h>

#include "base/number.h"
#include "system/address.h"

const kio_socket_options kio_socket_defaults = {
    .type = SOCK_STREAM,
    .backlog = KIO_SOCKET_BACKLOG,
    .given = 1U << KIO_SOCKOPT_NODELAY,
    .value = {[KIO_SOCKOPT_NODELAY] = 1},
};

_Static_assert(KIO_SOCKOPT_COUNT <= 32, "kio_socket_options.given has a bit for each option");

void kio_socket_give(kio_socket_options *options, kio_sockopt_id id, int value) {
  options->given |= 1U << id;
  options->value[id] = value;
}

/* An address may come from a configuration: what TCP alone knows is no error for a Unix socket. */
static bool makes_sense(int id, int family) {
  int use = kio_sockopts[id].use;
  if (family == AF_UNIX) return use & KIO_SOCKOPT_FOR_UNIX;
  return family == AF_INET6 || !(use & KIO_SOCKOPT_FOR_V6);
}

static int set_all(int fd, int family, const kio_socket_options *options) {
  int err = 0;
  for (int id = 0; id < KIO_SOCKOPT_COUNT && !err; id++) {
    if (!(options->given & 1U << id) || !makes_sense(id, family)) continue;
    err = kio_sockopt_set(fd, (kio_sockopt_id)id, options->value[id]);
  }
  return err;
}

/* fd, or the error with fd closed. */
static int or_close(int fd, int err) {
  if (err) kio_number_close(fd);
  return err ? err : fd;
}

int kio_socket_new(const kio_sockaddr *address, const kio_socket_options *options) {
  int family = address->as.any.sa_family;
  int fd = kio_number_own(socket(family, options->type | SOCK_CLOEXEC, 0));
  if (fd < 0) return -errno;
  return or_close(fd, set_all(fd, family, options));
}

/* unix(7), "Autobind feature": only the family, and the kernel finds a name that is free. */
static socklen_t size_to_bind(const kio_sockaddr *address) {
  socklen_t head = offsetof(struct sockaddr_un, sun_path);
  bool any_name = address->as.any.sa_family == AF_UNIX && address->size == head + 1;
  return any_name && address->as.local.sun_path[0] == 0 ? head : address->size;
}

int kio_socket_bound(const kio_sockaddr *address, const kio_socket_options *options) {
  int fd = kio_socket_new(address, options);
  if (fd < 0) return fd;
  return or_close(fd, bind(fd, &address->as.any, size_to_bind(address)) == 0 ? 0 : -errno);
}

int kio_socket_listen(const kio_sockaddr *address, const kio_socket_options *options) {
  int fd = kio_socket_bound(address, options);
  if (fd < 0) return fd;
  return or_close(fd, listen(fd, options->backlog) == 0 ? 0 : -errno);
}

int kio_socket_local(int fd, kio_sockaddr *address) {
  kio_address_blank(address);
  return getsockname(fd, &address->as.any, &address->size) == 0 ? 0 : -errno;
}
