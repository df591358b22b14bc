/* Making sockets with the options a server author names. No Lua here; any thread may call. */
#ifndef KIO_SYSTEM_SOCKET_H
#define KIO_SYSTEM_SOCKET_H

#include "system/address.h"
#include "system/sockopt.h"

enum { KIO_SOCKET_BACKLOG = 1024 }; /* connections waiting to be accepted; capped by somaxconn */

typedef struct kio_socket_options {
  int type;                     /* SOCK_STREAM, SOCK_DGRAM or SOCK_SEQPACKET */
  int backlog;                  /* listen(2) */
  uint32_t given;               /* which of the values are set: a bit for each kio_sockopt_id */
  int value[KIO_SOCKOPT_COUNT]; /* as kio_sockopt_set takes them */
} kio_socket_options;

/* A stream with nodelay. */
extern const kio_socket_options kio_socket_defaults;

/* Notes an option to be set. */
void kio_socket_give(kio_socket_options *options, kio_sockopt_id id, int value);
/* A socket of the address's family and the options' type, with the options set that make sense for
   that family; -errno on failure. */
int kio_socket_new(const kio_sockaddr *address, const kio_socket_options *options);
/* One that is bound; -errno on failure. The Unix name "@" alone is one of the kernel's choice. */
int kio_socket_bound(const kio_sockaddr *address, const kio_socket_options *options);
/* One that is bound and listens. -errno on failure. */
int kio_socket_listen(const kio_sockaddr *address, const kio_socket_options *options);
/* The socket's own address; 0 or -errno. */
int kio_socket_local(int fd, kio_sockaddr *address);

#endif
