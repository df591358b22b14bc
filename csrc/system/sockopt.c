/* Owns a constant table. Sources: socket(7), tcp(7), ip(7), ipv6(7). */
#include "system/sockopt.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

enum {
  STREAM = KIO_SOCKOPT_FOR_CONNECT | KIO_SOCKOPT_FOR_LISTEN,
  UDP = KIO_SOCKOPT_FOR_UDP,
  UNIX = KIO_SOCKOPT_FOR_UNIX,
  EVERYWHERE = STREAM | UDP | UNIX,
  BOUND = KIO_SOCKOPT_FOR_LISTEN | UDP,
  BYTE_MAX = 255,
};

#define TCP_ROW(id, text, kind_, use_, opt, max_) \
  [id] = {.name = text,                           \
          .kind = KIO_SOCKOPT_##kind_,            \
          .use = use_,                            \
          .level = IPPROTO_TCP,                   \
          .option = opt,                          \
          .max = max_}
#define SOL_ROW(id, text, kind_, use_, opt, max_) \
  [id] = {.name = text,                           \
          .kind = KIO_SOCKOPT_##kind_,            \
          .use = use_,                            \
          .level = SOL_SOCKET,                    \
          .option = opt,                          \
          .max = max_}
#define IP_ROW(id, text, kind_, use_, opt, opt_v6, max_) \
  [id] = {.name = text,                                  \
          .kind = KIO_SOCKOPT_##kind_,                   \
          .use = use_,                                   \
          .level = IPPROTO_IP,                           \
          .option = opt,                                 \
          .option_v6 = opt_v6,                           \
          .max = max_}

const kio_sockopt kio_sockopts[KIO_SOCKOPT_COUNT] = {
    TCP_ROW(KIO_SOCKOPT_NODELAY, "nodelay", FLAG, STREAM, TCP_NODELAY, 1),
    TCP_ROW(KIO_SOCKOPT_QUICKACK, "quickack", FLAG, STREAM, TCP_QUICKACK, 1),
    SOL_ROW(KIO_SOCKOPT_KEEPALIVE, "keepalive", PROBES, STREAM, SO_KEEPALIVE, 32767),
    TCP_ROW(KIO_SOCKOPT_KEEPALIVE_INTERVAL, "keepalive_interval", SECONDS, STREAM, TCP_KEEPINTVL,
            32767),
    TCP_ROW(KIO_SOCKOPT_KEEPALIVE_COUNT, "keepalive_count", NUMBER, STREAM, TCP_KEEPCNT, 127),
    TCP_ROW(KIO_SOCKOPT_USER_TIMEOUT, "user_timeout", MILLISECONDS, STREAM, TCP_USER_TIMEOUT,
            INT_MAX),
    SOL_ROW(KIO_SOCKOPT_LINGER, "linger", RESET, STREAM, SO_LINGER, 0),
    TCP_ROW(KIO_SOCKOPT_MAX_SEGMENT, "max_segment", NUMBER, STREAM, TCP_MAXSEG, 32767),
    TCP_ROW(KIO_SOCKOPT_UNSENT_LIMIT, "unsent_limit", NUMBER, STREAM, TCP_NOTSENT_LOWAT, INT_MAX),
    TCP_ROW(KIO_SOCKOPT_DEFER_ACCEPT, "defer_accept", SECONDS, KIO_SOCKOPT_FOR_LISTEN,
            TCP_DEFER_ACCEPT, INT_MAX),
    TCP_ROW(KIO_SOCKOPT_FASTOPEN, "fastopen", NUMBER, KIO_SOCKOPT_FOR_LISTEN, TCP_FASTOPEN,
            INT_MAX),
    SOL_ROW(KIO_SOCKOPT_SEND_BUFFER, "send_buffer", NUMBER, EVERYWHERE, SO_SNDBUF, INT_MAX),
    SOL_ROW(KIO_SOCKOPT_RECEIVE_BUFFER, "receive_buffer", NUMBER, EVERYWHERE, SO_RCVBUF, INT_MAX),
    SOL_ROW(KIO_SOCKOPT_REUSEADDR, "reuseaddr", FLAG, BOUND, SO_REUSEADDR, 1),
    SOL_ROW(KIO_SOCKOPT_REUSEPORT, "reuseport", FLAG, BOUND, SO_REUSEPORT, 1),
    [KIO_SOCKOPT_V6ONLY] = {.name = "v6only",
                            .kind = KIO_SOCKOPT_FLAG,
                            .use = BOUND | KIO_SOCKOPT_FOR_V6,
                            .level = IPPROTO_IPV6,
                            .option = IPV6_V6ONLY,
                            .max = 1},
    IP_ROW(KIO_SOCKOPT_TOS, "tos", NUMBER, STREAM | UDP, IP_TOS, IPV6_TCLASS, BYTE_MAX),
    IP_ROW(KIO_SOCKOPT_TTL, "ttl", NUMBER, STREAM | UDP, IP_TTL, IPV6_UNICAST_HOPS, BYTE_MAX),
    SOL_ROW(KIO_SOCKOPT_PRIORITY, "priority", NUMBER, STREAM | UDP, SO_PRIORITY, INT_MAX),
    SOL_ROW(KIO_SOCKOPT_BROADCAST, "broadcast", FLAG, UDP, SO_BROADCAST, 1),
    IP_ROW(KIO_SOCKOPT_MULTICAST_TTL, "multicast_ttl", NUMBER, UDP, IP_MULTICAST_TTL,
           IPV6_MULTICAST_HOPS, BYTE_MAX),
    IP_ROW(KIO_SOCKOPT_MULTICAST_LOOP, "multicast_loop", FLAG, UDP, IP_MULTICAST_LOOP,
           IPV6_MULTICAST_LOOP, 1),
    IP_ROW(KIO_SOCKOPT_MULTICAST_INTERFACE, "multicast_interface", INTERFACE, UDP, IP_MULTICAST_IF,
           IPV6_MULTICAST_IF, INT_MAX),
};

kio_sockopt_id kio_sockopt_named(const char *name) {
  int id = 0;
  while (id < KIO_SOCKOPT_COUNT && strcmp(name, kio_sockopts[id].name) != 0) id++;
  return (kio_sockopt_id)id;
}

/* ---- the plain calls ---- */

static int set(int fd, int level, int name, int value) {
  return setsockopt(fd, level, name, &value, sizeof value) == 0 ? 0 : -errno;
}

int kio_sockopt_ask(int fd, int level, int name, int *value) {
  socklen_t size = sizeof *value;
  *value = 0;
  return getsockopt(fd, level, name, value, &size) == 0 ? 0 : -errno;
}

/* The family of the socket, or -errno. */
static int family_of(int fd) {
  int family = 0;
  int err = kio_sockopt_ask(fd, SOL_SOCKET, SO_DOMAIN, &family);
  return err ? err : family;
}

/* ---- those with details ---- */

static int set_probes(int fd, int idle_s) {
  int err = set(fd, SOL_SOCKET, SO_KEEPALIVE, idle_s > 0);
  return err || idle_s <= 0 ? err : set(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle_s);
}

static int get_probes(int fd, int *idle_s) {
  int on, err = kio_sockopt_ask(fd, SOL_SOCKET, SO_KEEPALIVE, &on);
  *idle_s = 0;
  return err || !on ? err : kio_sockopt_ask(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle_s);
}

static int set_linger(int fd, int seconds) {
  struct linger value = {seconds >= 0, seconds >= 0 ? seconds : 0};
  return setsockopt(fd, SOL_SOCKET, SO_LINGER, &value, sizeof value) == 0 ? 0 : -errno;
}

static int get_linger(int fd, int *seconds) {
  struct linger value = {0, 0};
  socklen_t size = sizeof value;
  if (getsockopt(fd, SOL_SOCKET, SO_LINGER, &value, &size) != 0) return -errno;
  *seconds = value.l_onoff ? value.l_linger : -1;
  return 0;
}

static int set_interface(int fd, int family, int index) {
  struct ip_mreqn request = {.imr_ifindex = index};
  if (index < 0) return -ENODEV;
  if (family == AF_INET6) return set(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, index);
  int err = setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &request, sizeof request);
  return err == 0 ? 0 : -errno;
}

/* ---- by table ---- */

int kio_sockopt_set(int fd, kio_sockopt_id id, int value) {
  const kio_sockopt *opt = &kio_sockopts[id];
  if (opt->kind == KIO_SOCKOPT_PROBES) return set_probes(fd, value);
  if (opt->kind == KIO_SOCKOPT_RESET) return set_linger(fd, value);
  if (opt->option_v6 == 0) return set(fd, opt->level, opt->option, value);
  int family = family_of(fd);
  if (family < 0) return family;
  if (opt->kind == KIO_SOCKOPT_INTERFACE) return set_interface(fd, family, value);
  if (family != AF_INET6) return set(fd, opt->level, opt->option, value);
  int err = set(fd, IPPROTO_IPV6, opt->option_v6, value);
  if (!err) set(fd, opt->level, opt->option, value); /* for its IPv4 peers, if it may have some */
  return err;
}

int kio_sockopt_get(int fd, kio_sockopt_id id, int *value) {
  const kio_sockopt *opt = &kio_sockopts[id];
  if (opt->kind == KIO_SOCKOPT_PROBES) return get_probes(fd, value);
  if (opt->kind == KIO_SOCKOPT_RESET) return get_linger(fd, value);
  if (opt->option_v6 == 0) return kio_sockopt_ask(fd, opt->level, opt->option, value);
  int family = family_of(fd);
  if (family < 0) return family;
  if (family == AF_INET6) return kio_sockopt_ask(fd, IPPROTO_IPV6, opt->option_v6, value);
  if (opt->kind == KIO_SOCKOPT_INTERFACE) return -EOPNOTSUPP; /* ip(7) has no way to ask */
  return kio_sockopt_ask(fd, opt->level, opt->option, value);
}
