/*
** load_tls.c - the load's bytes by TLS, each connection with a full handshake. It takes any
** certificate: both ends are ours. Invariant: every connection uses the one context.
*/
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <unistd.h>

#include "load_wire.h"

static SSL_CTX *context(void) {
  static SSL_CTX *made;
  if (made) return made;
  made = SSL_CTX_new(TLS_client_method());
  if (!made) return NULL;
  signal(SIGPIPE, SIG_IGN); /* OpenSSL writes by write(2) */
  SSL_CTX_set_mode(made, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                             SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_OFF);
  return made;
}

bool wire_open(struct wire *w, int fd) {
  SSL *ssl = context() ? SSL_new(context()) : NULL;
  *w = (struct wire){.fd = fd, .tls = ssl};
  if (!ssl || SSL_set_fd(ssl, fd) != 1) return false;
  SSL_set_connect_state(ssl);
  return true;
}

/* What a failure means, as errno says it. */
static ssize_t failed(struct wire *w, int result, int wants_read) {
  switch (SSL_get_error(w->tls, result)) {
  case SSL_ERROR_WANT_READ: errno = wants_read; return -1;
  case SSL_ERROR_WANT_WRITE: errno = EAGAIN; return -1;
  case SSL_ERROR_ZERO_RETURN: return 0;
  default: errno = EPROTO; return -1;
  }
}

ssize_t wire_send(struct wire *w, const char *data, size_t size) {
  size_t sent = 0;
  ERR_clear_error();
  int result = SSL_write_ex(w->tls, data, size, &sent);
  return result == 1 ? (ssize_t)sent : failed(w, result, EINPROGRESS);
}

ssize_t wire_receive(struct wire *w, char *to, size_t size) {
  size_t got = 0;
  ERR_clear_error();
  int result = SSL_read_ex(w->tls, to, size, &got);
  return result == 1 ? (ssize_t)got : failed(w, result, EAGAIN);
}

void wire_close(struct wire *w) {
  if (w->tls) {
    SSL_shutdown(w->tls);
    SSL_free(w->tls);
  }
  if (w->fd >= 0) close(w->fd);
  *w = (struct wire){.fd = -1};
}
