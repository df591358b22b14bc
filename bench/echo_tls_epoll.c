/*
** echo_tls_epoll.c - echo_epoll.c with TLS, the yardstick of kio's: OpenSSL over memory, one recv
** and one send per chunk. TLS_PEM names the file of its certificate and key. See load.c for the
** contract; `message=` makes no difference.
**
** Invariant: a connection reads only when all that it has sealed is sent, so a slow reader stops
** its own input, and only what could not be sent at once has memory. Single-threaded: OpenSSL
** reads from and writes to the one `struct echo`, within one call.
*/
#define _GNU_SOURCE
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "echo_common.h"

enum { CHUNK = 16384, OUT_MAX = 65536, EVENTS_MAX = 512 };

struct conn {
  int fd;
  SSL *ssl;
  char *rest; /* sealed and not sent; NULL: nothing. Then it waits for EPOLLOUT */
  size_t from, to;
};

struct echo {
  struct echo_options options;
  int epoll_fd, listen_fd;
  SSL_CTX *context;
  BIO_METHOD *memory;
  size_t open;   /* connections */
  bool finished; /* `once`, and the last connection has closed */
  const char *in;
  size_t in_size; /* received and not yet taken by OpenSSL */
  size_t out_size;
  char input[CHUNK], plain[CHUNK], out[OUT_MAX];
};

/* ---- OpenSSL over memory ---- */

static int take(BIO *bio, char *to, size_t size, size_t *got) {
  struct echo *e = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  *got = size < e->in_size ? size : e->in_size;
  memcpy(to, e->in, *got);
  e->in += *got;
  e->in_size -= *got;
  if (*got == 0) BIO_set_retry_read(bio);
  return *got > 0;
}

static int put(BIO *bio, const char *data, size_t size, size_t *written) {
  struct echo *e = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  *written = 0;
  if (size > sizeof e->out - e->out_size) return 0;
  memcpy(e->out + e->out_size, data, size);
  e->out_size += size;
  *written = size;
  return 1;
}

static long control(BIO *bio, int command, long number, void *data) {
  (void)bio;
  (void)number;
  (void)data;
  return command == BIO_CTRL_FLUSH;
}

static _Noreturn void die(const char *what) {
  fprintf(stderr, "echo_tls_epoll: %s\n", what);
  exit(1);
}

static void prepare(struct echo *e) {
  const char *pem = getenv("TLS_PEM");
  if (!pem) die("TLS_PEM is to name a certificate and its key");
  e->context = SSL_CTX_new(TLS_server_method());
  e->memory = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "memory");
  if (!e->context || !e->memory) die("no memory");
  bool fine = SSL_CTX_use_certificate_chain_file(e->context, pem) == 1 &&
              SSL_CTX_use_PrivateKey_file(e->context, pem, SSL_FILETYPE_PEM) == 1;
  if (!fine) die("TLS_PEM has no certificate and key");
  SSL_CTX_set_mode(e->context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(e->context, SSL_SESS_CACHE_OFF);
  BIO_meth_set_read_ex(e->memory, take);
  BIO_meth_set_write_ex(e->memory, put);
  BIO_meth_set_ctrl(e->memory, control);
}

static SSL *new_ssl(struct echo *e) {
  SSL *ssl = SSL_new(e->context);
  BIO *bio = BIO_new(e->memory);
  if (!ssl || !bio) die("no memory");
  BIO_set_data(bio, e);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);
  SSL_set_accept_state(ssl);
  return ssl;
}

/* ---- connections ---- */

static void watch(struct echo *e, int op, struct conn *c, int fd, uint32_t what) {
  struct epoll_event event = {.events = what, .data.ptr = c};
  echo_check(epoll_ctl(e->epoll_fd, op, fd, &event) != 0 ? -errno : 0, "epoll_ctl");
}

static void open_conn(struct echo *e) {
  int fd = accept4(e->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return;
  struct conn *c = calloc(1, sizeof *c);
  if (!c) die("no memory");
  c->fd = fd;
  c->ssl = new_ssl(e);
  e->open++;
  watch(e, EPOLL_CTL_ADD, c, fd, EPOLLIN);
}

static void close_conn(struct echo *e, struct conn *c) {
  SSL_free(c->ssl);
  close(c->fd);
  free(c->rest);
  free(c);
  e->open--;
  e->finished = e->options.once && e->open == 0;
}

/* Sends `size` bytes, or as many as the socket takes: how many; -1 when it is dead. */
static ssize_t send_some(struct conn *c, const char *data, size_t size) {
  ssize_t n = send(c->fd, data, size, MSG_NOSIGNAL);
  return n < 0 && errno == EAGAIN ? 0 : n;
}

/* What the socket does not take is kept; false when it is dead. */
static bool send_sealed(struct echo *e, struct conn *c) {
  if (e->out_size == 0) return true;
  ssize_t n = send_some(c, e->out, e->out_size);
  if (n < 0) return false;
  if ((size_t)n == e->out_size) return true;
  c->from = 0;
  c->to = e->out_size - (size_t)n;
  c->rest = malloc(c->to);
  if (!c->rest) die("no memory");
  memcpy(c->rest, e->out + n, c->to);
  watch(e, EPOLL_CTL_MOD, c, c->fd, EPOLLOUT);
  return true;
}

static bool send_rest(struct echo *e, struct conn *c) {
  ssize_t n = send_some(c, c->rest + c->from, c->to - c->from);
  if (n < 0) return false;
  c->from += (size_t)n;
  if (c->from < c->to) return true;
  free(c->rest);
  c->rest = NULL;
  watch(e, EPOLL_CTL_MOD, c, c->fd, EPOLLIN);
  return true;
}

/* Reads one chunk and echoes what it brings; false at the end of the stream or on an error. */
static bool echo_chunk(struct echo *e, struct conn *c) {
  ssize_t n = recv(c->fd, e->input, sizeof e->input, 0);
  if (n < 0 && errno == EAGAIN) return true;
  if (n <= 0) return false;
  e->in = e->input;
  e->in_size = (size_t)n;
  e->out_size = 0;
  int result;
  size_t got, written;
  ERR_clear_error();
  while ((result = SSL_read_ex(c->ssl, e->plain, sizeof e->plain, &got)) == 1) {
    if (SSL_write_ex(c->ssl, e->plain, got, &written) != 1) return false;
  }
  bool goes_on = SSL_get_error(c->ssl, result) == SSL_ERROR_WANT_READ;
  return send_sealed(e, c) && goes_on;
}

static void handle(struct echo *e, struct conn *c) {
  if (!c) {
    open_conn(e);
    return;
  }
  bool alive = c->rest ? send_rest(e, c) : echo_chunk(e, c);
  if (!alive) close_conn(e, c);
}

int main(int argc, char **argv) {
  static struct echo e; /* static because of its buffers */
  struct epoll_event events[EVENTS_MAX];
  e.options = echo_parse(argc, argv);
  prepare(&e);
  e.listen_fd = echo_listen();
  e.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  watch(&e, EPOLL_CTL_ADD, NULL, e.listen_fd, EPOLLIN);
  echo_say_ready(e.listen_fd);
  while (!e.finished) {
    int n = epoll_wait(e.epoll_fd, events, EVENTS_MAX, -1);
    for (int i = 0; i < n; i++) handle(&e, events[i].data.ptr);
  }
  return 0;
}
