/*
** echo_uring_oneshot.c - echo_uring.c with plain operations: one recv, then one send, then the
** next recv, each connection with a buffer of its own. See load.c for the contract.
**
** Invariant: a connection has exactly one request in flight, a recv or a send, from its accept to
** its end. Single-threaded.
*/
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "echo_ring.h"

enum { CHUNK = 4096 };

struct conn {
  int fd;
  size_t from, to; /* what of `data` is not sent yet; from == to: receiving */
  uint64_t done;   /* bytes sent since the connection began */
  char data[CHUNK];
};

struct echo {
  struct echo_options options;
  struct io_uring ring;
  int listen_fd;
  size_t open;   /* connections */
  bool finished; /* `once`, and the last connection has closed */
};

static void start_accept(struct echo *e) {
  struct io_uring_sqe *sqe = ring_sqe(&e->ring);
  io_uring_prep_multishot_accept(sqe, e->listen_fd, NULL, NULL, SOCK_CLOEXEC);
  io_uring_sqe_set_data(sqe, NULL);
}

static void start_recv(struct echo *e, struct conn *c) {
  struct io_uring_sqe *sqe = ring_sqe(&e->ring);
  io_uring_prep_recv(sqe, c->fd, c->data, sizeof c->data, 0);
  io_uring_sqe_set_data(sqe, c);
}

static void start_send(struct echo *e, struct conn *c) {
  size_t len = echo_send_size(&e->options, c->done, c->to - c->from);
  struct io_uring_sqe *sqe = ring_sqe(&e->ring);
  io_uring_prep_send(sqe, c->fd, c->data + c->from, len, MSG_NOSIGNAL);
  io_uring_sqe_set_data(sqe, c);
}

static void open_conn(struct echo *e, const struct io_uring_cqe *cqe) {
  if (!(cqe->flags & IORING_CQE_F_MORE)) start_accept(e);
  if (cqe->res < 0) return;
  struct conn *c = malloc(sizeof *c);
  echo_check(c ? 0 : -ENOMEM, "malloc");
  c->fd = cqe->res;
  c->from = c->to = 0;
  c->done = 0;
  e->open++;
  start_recv(e, c);
}

static void close_conn(struct echo *e, struct conn *c) {
  close(c->fd);
  free(c);
  e->open--;
  e->finished = e->options.once && e->open == 0;
}

static void on_recv(struct echo *e, struct conn *c, size_t len) {
  c->from = 0;
  c->to = len;
  start_send(e, c);
}

static void on_send(struct echo *e, struct conn *c, size_t len) {
  c->from += len;
  c->done += len;
  if (c->from < c->to) start_send(e, c);
  else start_recv(e, c);
}

static void handle(struct echo *e, const struct io_uring_cqe *cqe) {
  struct conn *c = io_uring_cqe_get_data(cqe);
  if (!c) open_conn(e, cqe);
  else if (cqe->res <= 0) close_conn(e, c);
  else if (c->from == c->to) on_recv(e, c, (size_t)cqe->res);
  else on_send(e, c, (size_t)cqe->res);
}

static void turn(struct echo *e) {
  struct io_uring_cqe *cqe;
  unsigned head, count = 0;
  int code = io_uring_submit_and_wait(&e->ring, 1);
  if (code != -EINTR && code != -EBUSY) echo_check(code, "io_uring_submit_and_wait");
  io_uring_for_each_cqe(&e->ring, head, cqe) {
    handle(e, cqe);
    count++;
  }
  io_uring_cq_advance(&e->ring, count);
}

int main(int argc, char **argv) {
  struct echo e = {.options = echo_parse(argc, argv), .listen_fd = echo_listen()};
  ring_open(&e.ring);
  start_accept(&e);
  echo_say_ready(e.listen_fd);
  while (!e.finished) turn(&e);
  return 0;
}
