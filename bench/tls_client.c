/*
** tls_client.c - starts a TLS server, and prints what its handshakes, or the bytes of a file, have
** cost: real and processor time of the server, in nanoseconds.
**
**   tls_client handshakes COUNT command...   COUNT connections, some at a time, each with a full
**                                            handshake and nothing else; per handshake
**   tls_client get BYTES command...          "GET /bulk" until BYTES have come, over one connection
**                                            for each answer; per MiB
**
** The command prints "ready PORT". Server and client have CPUs of their own. It takes any
** certificate. alarm(2) stands behind all that waits.
*/
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "load_server.h"

enum { THREADS = 16, MIB = 1024 * 1024, PATIENCE_S = 10, LIMIT_S = 300, TRIES = 500 };
enum { TRY_NS = 10000000, PIECE = 65536, FROM_MAX = 200 };

static struct {
  SSL_CTX *context;
  int port;
  atomic_long left;   /* handshakes that nobody has begun */
  atomic_uint opened; /* connections so far */
  atomic_bool failed;
} run;

/* From many addresses in turn, for each leaves its port in TIME_WAIT. */
static int connect_once(void) {
  struct sockaddr_in to = {.sin_family = AF_INET,
                           .sin_port = htons((uint16_t)run.port),
                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct sockaddr_in from = {.sin_family = AF_INET};
  from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + atomic_fetch_add(&run.opened, 1) % FROM_MAX);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){1}, sizeof(int));
  bind(fd, (struct sockaddr *)&from, sizeof from);
  if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0) return fd;
  close(fd);
  return -1;
}

/* Some servers say that they are ready before they listen. */
static bool wait_for_server(void) {
  for (int i = 0; i < TRIES; i++) {
    int fd = connect_once();
    if (fd >= 0) return close(fd) == 0;
    nanosleep(&(struct timespec){.tv_nsec = TRY_NS}, NULL);
  }
  return false;
}

/* A connection that has shaken hands; NULL: it could not. */
static SSL *open_tls(void) {
  int fd = connect_once();
  SSL *ssl = fd >= 0 ? SSL_new(run.context) : NULL;
  if (ssl && SSL_set_fd(ssl, fd) == 1 && SSL_connect(ssl) == 1) return ssl;
  SSL_free(ssl);
  if (fd >= 0) close(fd);
  return NULL;
}

static void close_tls(SSL *ssl) {
  int fd = SSL_get_fd(ssl);
  SSL_shutdown(ssl);
  SSL_free(ssl);
  close(fd);
}

static void *shake_hands(void *unused) {
  (void)unused;
  while (!atomic_load(&run.failed) && atomic_fetch_sub(&run.left, 1) > 0) {
    SSL *ssl = open_tls();
    if (ssl) close_tls(ssl);
    else atomic_store(&run.failed, true);
  }
  return NULL;
}

/* Whether all went well. */
static bool handshakes(long count) {
  pthread_t threads[THREADS];
  int started = 0;
  atomic_store(&run.left, count);
  while (started < THREADS && pthread_create(&threads[started], NULL, shake_hands, NULL) == 0) {
    started++;
  }
  for (int i = 0; i < started; i++) pthread_join(threads[i], NULL);
  return started == THREADS && !atomic_load(&run.failed);
}

/* One answer: how many bytes; 0: none. */
static long get_once(void) {
  static const char request[] = "GET /bulk HTTP/1.0\r\nHost: localhost\r\n\r\n";
  static char piece[PIECE];
  long bytes = 0;
  int got;
  SSL *ssl = open_tls();
  if (!ssl) return 0;
  if (SSL_write(ssl, request, sizeof request - 1) > 0) {
    while ((got = SSL_read(ssl, piece, sizeof piece)) > 0) bytes += got;
  }
  close_tls(ssl);
  return bytes;
}

static bool get(long bytes) {
  while (bytes > 0) {
    long got = get_once();
    if (got == 0) return false;
    bytes -= got;
  }
  return true;
}

/* Does the work and prints what an item of it has cost the server. */
static bool measure(const struct server *s, bool shakes, long amount) {
  struct server_cost before, after;
  double items = shakes ? (double)amount : (double)amount / MIB;
  if (!wait_for_server() || !(shakes ? handshakes(1) : get(1))) return false;
  server_look(s, &before);
  if (!(shakes ? handshakes(amount) : get(amount))) return false;
  server_look(s, &after);
  printf("real=%.1f cpu=%.1f\n", (double)(after.at_ns - before.at_ns) / items,
         (double)(after.cpu_ns - before.cpu_ns) / items);
  return true;
}

int main(int argc, char **argv) {
  struct server s;
  long amount = argc > 3 ? atol(argv[2]) : 0;
  bool shakes = argc > 3 && strcmp(argv[1], "handshakes") == 0;
  if (amount <= 0 || (!shakes && strcmp(argv[1], "get") != 0)) {
    fprintf(stderr, "usage: tls_client handshakes COUNT command... | get BYTES command...\n");
    return 1;
  }
  alarm(LIMIT_S);
  signal(SIGPIPE, SIG_IGN);
  run.context = SSL_CTX_new(TLS_client_method());
  if (!run.context || !server_start(&s, argv + 3, 0, PATIENCE_S)) return 1;
  run.port = s.port;
  pin_to_cpu(1);
  bool fine = measure(&s, shakes, amount);
  if (!fine) fprintf(stderr, "tls_client: the server does not do what it should\n");
  server_stop(&s, false, PATIENCE_S);
  return fine ? 0 : 1;
}
