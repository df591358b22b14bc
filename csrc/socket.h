/* Making stream sockets with the options a server author names. No Lua here; any thread may
   call. */
#ifndef KIO_SOCKET_H
#define KIO_SOCKET_H

#include "request.h"

enum { KIO_SOCKET_BACKLOG = 1024 }; /* connections waiting to be accepted; capped by somaxconn */

typedef struct kio_socket_options {
  int backlog;        /* listen(2) */
  int send_buffer;    /* SO_SNDBUF in bytes; 0: the system's default */
  int receive_buffer; /* SO_RCVBUF, likewise */
  int keepalive_s;    /* idle seconds before TCP probes the peer; 0: never */
  bool nodelay;       /* TCP_NODELAY: small writes leave at once */
  bool reuseaddr;     /* SO_REUSEADDR: a restarted server may bind at once */
  bool reuseport;     /* SO_REUSEPORT: several listeners share one port */
  bool v6only;        /* an IPv6 listener takes no IPv4 connections */
} kio_socket_options;

extern const kio_socket_options kio_socket_defaults;

/* A stream socket of the address's family with the options set; -errno on failure. */
int kio_socket_new(const kio_sockaddr *address, const kio_socket_options *options);
/* One that is bound and listens. -errno on failure. */
int kio_socket_listen(const kio_sockaddr *address, const kio_socket_options *options);
/* Sets one option of a TCP connection; 0 or -errno. */
int kio_socket_set_nodelay(int fd, bool on);
int kio_socket_set_keepalive(int fd, int idle_s);
/* The socket's own address; 0 or -errno. */
int kio_socket_local(int fd, kio_sockaddr *address);

#endif
