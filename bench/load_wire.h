/*
** How the load's bytes go over a connection: as they are (load_plain.c) or by TLS (load_tls.c).
** The program is linked with one of the two.
*/
#ifndef BENCH_LOAD_WIRE_H
#define BENCH_LOAD_WIRE_H

#include <stdbool.h>
#include <sys/types.h>

struct wire {
  int fd;    /* does not block; -1: closed */
  void *tls; /* load_tls.c's own */
};

/* Over fd, which is connected or goes on connecting; false when memory is out. */
bool wire_open(struct wire *w, int fd);

/* As send(2). Fails with EAGAIN while the socket is full, and with EINPROGRESS while the peer has
   to shake hands: then wire_receive goes on with that. */
ssize_t wire_send(struct wire *w, const char *data, size_t size);

/* As recv(2). */
ssize_t wire_receive(struct wire *w, char *to, size_t size);

/* Says that it ends, and closes; a closed one may be closed again. */
void wire_close(struct wire *w);

#endif
