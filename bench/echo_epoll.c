/*
** echo_epoll.c - the echo server a C programmer writes with epoll: level-triggered, one recv and
** one send per chunk. See load.c for the contract.
**
** Invariant: a connection reads only when all that it has read before is sent, so its one buffer
** is enough and a slow reader stops its own input. Single-threaded.
*/
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "echo_common.h"

enum { CHUNK = 4096, EVENTS_MAX = 512 };

struct conn {
  int fd;
  bool blocked;    /* waits for EPOLLOUT, and for nothing else */
  size_t from, to; /* what of `data` is not sent yet */
  uint64_t done;   /* bytes sent since the connection began */
  char data[CHUNK];
};

struct echo {
  struct echo_options options;
  int epoll_fd, listen_fd;
  size_t open;   /* connections */
  bool finished; /* `once`, and the last connection has closed */
};

static void watch(struct echo *e, int op, struct conn *c, int fd, uint32_t what) {
  struct epoll_event event = {.events = what, .data.ptr = c};
  echo_check(epoll_ctl(e->epoll_fd, op, fd, &event) != 0 ? -errno : 0, "epoll_ctl");
}

static void open_conn(struct echo *e) {
  int fd = accept4(e->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return;
  struct conn *c = malloc(sizeof *c);
  echo_check(c ? 0 : -ENOMEM, "malloc");
  c->fd = fd;
  c->blocked = false;
  c->from = c->to = 0;
  c->done = 0;
  e->open++;
  watch(e, EPOLL_CTL_ADD, c, fd, EPOLLIN);
}

static void close_conn(struct echo *e, struct conn *c) {
  close(c->fd);
  free(c);
  e->open--;
  e->finished = e->options.once && e->open == 0;
}

static void set_blocked(struct echo *e, struct conn *c, bool blocked) {
  if (c->blocked == blocked) return;
  c->blocked = blocked;
  watch(e, EPOLL_CTL_MOD, c, c->fd, blocked ? EPOLLOUT : EPOLLIN);
}

/* Sends what is left; false when the connection is dead. */
static bool send_rest(struct echo *e, struct conn *c) {
  while (c->from < c->to) {
    size_t len = echo_send_size(&e->options, c->done, c->to - c->from);
    ssize_t n = send(c->fd, c->data + c->from, len, MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN) {
      set_blocked(e, c, true);
      return true;
    }
    if (n < 0) return false;
    c->from += (size_t)n;
    c->done += (uint64_t)n;
  }
  set_blocked(e, c, false);
  return true;
}

/* Reads one chunk and echoes it; false at the end of the stream or on an error. */
static bool echo_chunk(struct echo *e, struct conn *c) {
  ssize_t n = recv(c->fd, c->data, sizeof c->data, 0);
  if (n < 0 && errno == EAGAIN) return true;
  if (n <= 0) return false;
  c->from = 0;
  c->to = (size_t)n;
  return send_rest(e, c);
}

static void handle(struct echo *e, struct conn *c) {
  if (!c) {
    open_conn(e);
    return;
  }
  bool alive = c->blocked ? send_rest(e, c) : echo_chunk(e, c);
  if (!alive) close_conn(e, c);
}

int main(int argc, char **argv) {
  struct echo e = {.options = echo_parse(argc, argv), .listen_fd = echo_listen()};
  struct epoll_event events[EVENTS_MAX];
  e.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  watch(&e, EPOLL_CTL_ADD, NULL, e.listen_fd, EPOLLIN);
  echo_say_ready(e.listen_fd);
  while (!e.finished) {
    int n = epoll_wait(e.epoll_fd, events, EVENTS_MAX, -1);
    for (int i = 0; i < n; i++) handle(&e, events[i].data.ptr);
  }
  return 0;
}
