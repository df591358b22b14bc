/*
** load_client.c - the load: an epoll loop that sends, receives and compares.
**
** Invariant: a connection's output is the endless pattern from its own phase on. `want` bytes of
** it have been promised, `sent` are with the kernel, `got` have come back and compared equal, so
** got <= sent <= want and want - got <= depth * size. Single-threaded; loopback only.
*/
#define _GNU_SOURCE
#include "load_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load_server.h"
#include "load_wire.h"

enum {
  PERIOD = 251,          /* of the pattern: prime, so no shift by a message hides */
  INPUT_MAX = 64 * 1024, /* bytes read at once */
  EVENTS_MAX = 256,      /* events taken at once */
  WAIT_MS = 50,          /* how late the end of a run may be noticed */
  NS_PER_S = 1000000000,
  FROM_MAX = 200 /* addresses that a storm comes from: 127.0.0.2 and on */
};

struct conn {
  struct wire wire;
  bool blocked;             /* the socket is full: EPOLLOUT is armed */
  size_t phase;             /* where in the pattern this connection starts */
  uint64_t want, sent, got; /* bytes, see the head of this file */
  uint64_t answered;        /* whole messages that came back */
  uint64_t *sent_ns;        /* when message i left, at i % depth */
};

static bool fail(struct client *c, const char *why) {
  if (!c->failure) c->failure = why;
  return false;
}

/* A fixed pattern without a short cycle; the seed is a constant so that runs are alike. */
static char *make_pattern(size_t len) {
  char *pattern = malloc(len);
  uint32_t x = 2463534242u;
  for (size_t i = 0; pattern && i < len; i++) {
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    pattern[i] = i < PERIOD ? (char)(x >> 24) : pattern[i - PERIOD];
  }
  return pattern;
}

/* Connections of a storm leave ports behind in TIME_WAIT: they come from many addresses. */
static void bind_in_turn(struct client *c, int fd) {
  struct sockaddr_in from = {.sin_family = AF_INET,
                             .sin_addr.s_addr =
                                 htonl(INADDR_LOOPBACK + 1 + c->opened++ % FROM_MAX)};
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){1}, sizeof(int));
  bind(fd, (struct sockaddr *)&from, sizeof from);
}

/* One that goes on connecting is watched for room to write, as a full one is. */
static bool connect_one(struct client *c, struct conn *k, bool wait) {
  struct sockaddr_in to = {.sin_family = AF_INET,
                           .sin_port = htons((uint16_t)c->port),
                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (wait ? 0 : SOCK_NONBLOCK), 0);
  if (fd < 0) return fail(c, "no descriptor left for a connection");
  if (!wire_open(&k->wire, fd)) return fail(c, "out of memory");
  if (c->storm) bind_in_turn(c, fd);
  bool open = connect(fd, (struct sockaddr *)&to, sizeof to) == 0;
  if (!open && (wait || errno != EINPROGRESS)) return fail(c, "connect refused");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
  fcntl(fd, F_SETFL, O_NONBLOCK);
  k->blocked = !open;
  struct epoll_event e = {.events = open ? EPOLLIN : EPOLLIN | EPOLLOUT, .data.ptr = k};
  if (epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &e) != 0) return fail(c, "epoll_ctl failed");
  return true;
}

bool client_init(struct client *c, int port, size_t conns, size_t size, size_t depth, bool storm) {
  size_t flight = size * depth > INPUT_MAX ? size * depth : INPUT_MAX;
  *c = (struct client){.port = port, .conns = conns, .size = size, .depth = depth, .storm = storm};
  c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  c->conn = calloc(conns, sizeof *c->conn);
  c->input = malloc(INPUT_MAX);
  c->pattern = make_pattern(flight + PERIOD);
  if (c->epoll_fd < 0 || !c->conn || !c->input || !c->pattern) return fail(c, "out of memory");
  for (size_t i = 0; i < conns; i++) c->conn[i].wire.fd = -1;
  for (size_t i = 0; i < conns; i++) {
    struct conn *k = &c->conn[i];
    k->phase = i * 7 % PERIOD;
    k->sent_ns = calloc(depth, sizeof *k->sent_ns);
    if (!k->sent_ns) return fail(c, "out of memory");
    if (!connect_one(c, k, true)) return false;
  }
  return true;
}

static void set_blocked(struct client *c, struct conn *k, bool blocked) {
  if (k->blocked == blocked) return;
  k->blocked = blocked;
  struct epoll_event e = {.events = blocked ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = k};
  epoll_ctl(c->epoll_fd, EPOLL_CTL_MOD, k->wire.fd, &e);
}

static bool send_wanted(struct client *c, struct conn *k) {
  while (k->sent < k->want) {
    const char *from = c->pattern + (k->phase + k->sent) % PERIOD;
    ssize_t n = wire_send(&k->wire, from, k->want - k->sent);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EINPROGRESS) break; /* what the peer says next goes on with it */
    if (n < 0 && errno == EAGAIN) {
      set_blocked(c, k, true);
      return true;
    }
    if (n < 0) return fail(c, "send failed: the server has closed the connection");
    k->sent += (uint64_t)n;
  }
  set_blocked(c, k, false);
  return true;
}

/* Promises `count` more messages, dated now. */
static void want_more(struct client *c, struct conn *k, uint64_t count, uint64_t now) {
  uint64_t first = k->want / c->size;
  for (uint64_t i = first; i < first + count; i++) k->sent_ns[i % c->depth] = now;
  k->want += count * c->size;
  c->in_flight += count;
}

/* Counts the messages that the bytes up to k->got complete; returns how many. */
static uint64_t take_answers(struct client *c, struct conn *k, uint64_t now) {
  uint64_t whole = k->got / c->size;
  uint64_t count = whole - k->answered;
  for (; k->answered < whole; k->answered++) {
    uint64_t sent_ns = k->sent_ns[k->answered % c->depth];
    if (!c->draining || c->paced) hist_add(&c->latency, now - sent_ns);
  }
  c->done += count;
  c->in_flight -= count;
  return count;
}

static bool receive(struct client *c, struct conn *k) {
  ssize_t n = wire_receive(&k->wire, c->input, INPUT_MAX);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return k->blocked || send_wanted(c, k);
  if (n <= 0) return fail(c, "the server has closed a connection");
  const char *expected = c->pattern + (k->phase + k->got) % PERIOD;
  if (k->got + (uint64_t)n > k->sent) return fail(c, "more came back than was sent");
  if (memcmp(c->input, expected, (size_t)n) != 0) return fail(c, "the echo differs");
  k->got += (uint64_t)n;
  uint64_t now = clock_ns();
  uint64_t count = take_answers(c, k, now);
  if (count > 0 && c->storm && !c->draining) {
    wire_close(&k->wire);
    if (!connect_one(c, k, false)) return false;
  }
  if (!c->draining && !c->paced && count > 0) want_more(c, k, count, now);
  return k->blocked || send_wanted(c, k);
}

static void turn(struct client *c, int wait_ms) {
  struct epoll_event events[EVENTS_MAX];
  int n = epoll_wait(c->epoll_fd, events, EVENTS_MAX, wait_ms);
  if (n < 0 && errno != EINTR) fail(c, "epoll_wait failed");
  for (int i = 0; i < n && !c->failure; i++) {
    struct conn *k = events[i].data.ptr;
    if (events[i].events & EPOLLOUT) send_wanted(c, k);
    if (events[i].events & ~(uint32_t)EPOLLOUT) receive(c, k);
  }
}

void client_begin(struct client *c) {
  for (size_t i = 0; i < c->conns && !c->failure; i++) {
    want_more(c, &c->conn[i], c->depth, clock_ns());
    send_wanted(c, &c->conn[i]);
  }
}

bool client_run(struct client *c, uint64_t done, uint64_t deadline_ns) {
  while (!c->failure && c->done < done && clock_ns() < deadline_ns) turn(c, WAIT_MS);
  return !c->failure;
}

/* Message i of the paced ones goes to connection i % conns. */
static void send_due(struct client *c, uint64_t i, uint64_t due_ns) {
  struct conn *k = &c->conn[i % c->conns];
  if (k->want - k->got > (c->depth - 1) * c->size) {
    fail(c, "the server falls behind the rate");
    return;
  }
  hist_add(&c->late, clock_ns() - due_ns);
  want_more(c, k, 1, due_ns);
  if (!k->blocked) send_wanted(c, k);
}

bool client_pace(struct client *c, double rate, uint64_t deadline_ns) {
  uint64_t start_ns = clock_ns(), due_ns = start_ns, i = 0;
  c->paced = true;
  c->draining = false;
  while (!c->failure && due_ns < deadline_ns) {
    uint64_t now = clock_ns();
    while (!c->failure && due_ns <= now && due_ns < deadline_ns) {
      send_due(c, i++, due_ns);
      due_ns = start_ns + (uint64_t)((double)i * NS_PER_S / rate);
    }
    turn(c, 0);
  }
  return !c->failure;
}

bool client_drain(struct client *c, uint64_t deadline_ns) {
  c->draining = true;
  while (!c->failure && c->in_flight > 0 && clock_ns() < deadline_ns) turn(c, WAIT_MS);
  if (c->in_flight > 0) fail(c, "messages were not answered");
  return !c->failure;
}

void client_fini(struct client *c) {
  for (size_t i = 0; c->conn && i < c->conns; i++) {
    wire_close(&c->conn[i].wire);
    free(c->conn[i].sent_ns);
  }
  free(c->conn);
  free(c->pattern);
  free(c->input);
  if (c->epoll_fd >= 0) close(c->epoll_fd);
}
