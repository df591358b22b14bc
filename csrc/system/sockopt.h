/* Socket options by name: one table for connect, listen, udp and the method `option`. A value is an
   int here, whatever it is in Lua and in the kernel. No Lua; any thread may call it. */
#ifndef KIO_SYSTEM_SOCKOPT_H
#define KIO_SYSTEM_SOCKOPT_H

#include "base/base.h"

typedef enum kio_sockopt_id {
  KIO_SOCKOPT_NODELAY,
  KIO_SOCKOPT_QUICKACK,
  KIO_SOCKOPT_KEEPALIVE,
  KIO_SOCKOPT_KEEPALIVE_INTERVAL,
  KIO_SOCKOPT_KEEPALIVE_COUNT,
  KIO_SOCKOPT_USER_TIMEOUT,
  KIO_SOCKOPT_LINGER,
  KIO_SOCKOPT_MAX_SEGMENT,
  KIO_SOCKOPT_UNSENT_LIMIT,
  KIO_SOCKOPT_DEFER_ACCEPT,
  KIO_SOCKOPT_FASTOPEN,
  KIO_SOCKOPT_SEND_BUFFER,
  KIO_SOCKOPT_RECEIVE_BUFFER,
  KIO_SOCKOPT_REUSEADDR,
  KIO_SOCKOPT_REUSEPORT,
  KIO_SOCKOPT_V6ONLY,
  KIO_SOCKOPT_TOS,
  KIO_SOCKOPT_TTL,
  KIO_SOCKOPT_PRIORITY,
  KIO_SOCKOPT_BROADCAST,
  KIO_SOCKOPT_MULTICAST_TTL,
  KIO_SOCKOPT_MULTICAST_LOOP,
  KIO_SOCKOPT_MULTICAST_INTERFACE,
  KIO_SOCKOPT_COUNT /* not an option: how many there are */
} kio_sockopt_id;

/* What Lua gives and is given, and how the kernel wants it. */
typedef enum kio_sockopt_kind {
  KIO_SOCKOPT_FLAG,         /* true or false */
  KIO_SOCKOPT_NUMBER,       /* an integer */
  KIO_SOCKOPT_SECONDS,      /* whole seconds */
  KIO_SOCKOPT_MILLISECONDS, /* seconds with fractions; milliseconds in the kernel */
  KIO_SOCKOPT_PROBES,       /* idle seconds before TCP asks; false or 0: never */
  KIO_SOCKOPT_RESET,        /* 0: close resets the connection; false (-1): it does not */
  KIO_SOCKOPT_INTERFACE     /* a network interface's name or index; negative: there is none */
} kio_sockopt_kind;

/* Where an option makes sense. */
enum {
  KIO_SOCKOPT_FOR_CONNECT = 1 << 0,
  KIO_SOCKOPT_FOR_LISTEN = 1 << 1,
  KIO_SOCKOPT_FOR_UDP = 1 << 2,
  KIO_SOCKOPT_FOR_UNIX = 1 << 3, /* on Unix sockets as well; others are left out there */
  KIO_SOCKOPT_FOR_V6 = 1 << 4    /* on IPv6 sockets only */
};

typedef struct kio_sockopt {
  const char *name; /* as in Lua */
  uint8_t kind;     /* kio_sockopt_kind */
  uint8_t use;      /* KIO_SOCKOPT_FOR_ flags */
  int level;        /* of setsockopt(2) */
  int option;
  int option_v6; /* where IPPROTO_IPV6 has one of its own; 0: it has not */
  int max;       /* the largest value that makes sense */
} kio_sockopt;

extern const kio_sockopt kio_sockopts[KIO_SOCKOPT_COUNT];

/* The option of that name; KIO_SOCKOPT_COUNT when there is none. */
kio_sockopt_id kio_sockopt_named(const char *name);
/* Sets it; 0 or -errno. */
int kio_sockopt_set(int fd, kio_sockopt_id id, int value);
/* getsockopt(2) of a number, which is 0 on failure; 0 or -errno. */
int kio_sockopt_ask(int fd, int level, int name, int *value);
/* What the kernel has; 0 or -errno. */
int kio_sockopt_get(int fd, kio_sockopt_id id, int *value);

#endif
