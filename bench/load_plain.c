/*
** load_plain.c - the load's bytes as they are. No state.
*/
#include <sys/socket.h>
#include <unistd.h>

#include "load_wire.h"

bool wire_open(struct wire *w, int fd) {
  *w = (struct wire){.fd = fd};
  return true;
}

ssize_t wire_send(struct wire *w, const char *data, size_t size) {
  return send(w->fd, data, size, MSG_NOSIGNAL);
}

ssize_t wire_receive(struct wire *w, char *to, size_t size) {
  return recv(w->fd, to, size, 0);
}

void wire_close(struct wire *w) {
  if (w->fd >= 0) close(w->fd);
  w->fd = -1;
}
