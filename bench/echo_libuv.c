/*
** echo_libuv.c - the echo server as a user of libuv writes it in C: callbacks, a buffer for each
** connection. See load.c for the contract.
**
** Invariant: a connection does not read while a write of its own is under way, so its one buffer is
** enough. uv_try_write goes first: uv_write arms the poll again each time, a third system call.
*/
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <uv.h>

#include "echo_common.h"

enum { CHUNK = 4096, BACKLOG = 1024 };

struct conn {
  uv_tcp_t tcp;
  uv_write_t write;
  size_t from, to; /* what of `data` is not sent yet */
  size_t left;     /* what uv_write is sending */
  uint64_t done;   /* bytes sent since the connection began */
  char data[CHUNK];
};

static struct echo_options options;
static uv_tcp_t listener;
static size_t open_count;

static void send_rest(struct conn *c);

static void on_closed(uv_handle_t *handle) {
  free(handle->data);
  if (--open_count == 0 && options.once) uv_close((uv_handle_t *)&listener, NULL);
}

static void finish(struct conn *c) {
  if (!uv_is_closing((uv_handle_t *)&c->tcp)) uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf) {
  struct conn *c = handle->data;
  (void)size;
  *buf = uv_buf_init(c->data, sizeof c->data);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
  struct conn *c = stream->data;
  (void)buf;
  if (n < 0) {
    finish(c);
  } else if (n > 0) {
    c->from = 0;
    c->to = (size_t)n;
    send_rest(c);
  }
}

static void on_written(uv_write_t *write, int status) {
  struct conn *c = write->data;
  if (status < 0) {
    finish(c);
    return;
  }
  c->from += c->left;
  c->done += c->left;
  if (uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) == 0) send_rest(c);
}

/* The socket is full: nothing is read until what is left of this message has gone. */
static void send_later(struct conn *c, size_t len) {
  uv_buf_t buf = uv_buf_init(c->data + c->from, (unsigned)len);
  c->left = len;
  c->write.data = c;
  uv_read_stop((uv_stream_t *)&c->tcp);
  if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_written) != 0) finish(c);
}

static void send_rest(struct conn *c) {
  while (c->from < c->to) {
    size_t len = echo_send_size(&options, c->done, c->to - c->from);
    uv_buf_t buf = uv_buf_init(c->data + c->from, (unsigned)len);
    int n = uv_try_write((uv_stream_t *)&c->tcp, &buf, 1);
    if (n < 0 && n != UV_EAGAIN) {
      finish(c);
      return;
    }
    size_t sent = n > 0 ? (size_t)n : 0;
    c->from += sent;
    c->done += sent;
    if (sent < len) {
      send_later(c, len - sent);
      return;
    }
  }
}

static void on_connection(uv_stream_t *server, int status) {
  if (status < 0) return;
  struct conn *c = malloc(sizeof *c);
  echo_check(c ? 0 : -ENOMEM, "malloc");
  c->done = c->from = c->to = 0;
  c->tcp.data = c;
  echo_check(uv_tcp_init(server->loop, &c->tcp), "uv_tcp_init");
  open_count++;
  if (uv_accept(server, (uv_stream_t *)&c->tcp) != 0) finish(c);
  else uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
}

int main(int argc, char **argv) {
  uv_loop_t *loop = uv_default_loop();
  options = echo_parse(argc, argv);
  int fd = echo_listen();
  echo_check(uv_tcp_init(loop, &listener), "uv_tcp_init");
  echo_check(uv_tcp_open(&listener, fd), "uv_tcp_open");
  echo_check(uv_listen((uv_stream_t *)&listener, BACKLOG, on_connection), "uv_listen");
  echo_say_ready(fd);
  return uv_run(loop, UV_RUN_DEFAULT);
}
