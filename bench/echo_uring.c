/*
** echo_uring.c - the fastest echo server over raw io_uring that we know to write: the yardstick.
** One submit-and-wait per turn, multishot accept, multishot recv into provided buffers, and a
** chunk is sent from the buffer it came in. See load.c for the contract.
**
** Invariants: a buffer is with the kernel, or in the chunk list of exactly one connection; a
** connection has at most one send in flight, so its bytes keep their order; it is freed when its
** recv has ended and its list is empty. Single-threaded.
*/
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "echo_ring.h"

enum {
  BUFFERS = 1024, /* a power of two; fewer than connections means storms */
  BUFFER_SIZE = 4096,
  GROUP = 1, /* of the buffers */
  NONE = -1  /* no buffer */
};

/* What a completion is of: the low bits of user_data, the rest is the connection. */
enum kind { ACCEPT, RECV, SEND, KIND_MASK = 3 };

struct chunk {       /* of the buffer with the same index */
  int next;          /* later chunk of the same connection, or NONE */
  uint32_t from, to; /* what of it is not sent yet */
};

struct conn {
  int fd;
  int first, last;           /* chunks to send, in order of arrival; NONE: none */
  bool sending;              /* a send of chunk `first` is in flight */
  bool receiving;            /* the multishot recv is in flight */
  bool dead;                 /* sends fail: what arrives is thrown away */
  uint64_t done;             /* bytes sent since the connection began */
  struct conn *next_starved; /* in echo.starved, while there is no buffer for it */
};

struct echo {
  struct echo_options options;
  struct io_uring ring;
  struct io_uring_buf_ring *buffers; /* those that the kernel may fill */
  char *memory;                      /* of all buffers */
  struct chunk chunk[BUFFERS];
  struct conn *starved; /* their recv ended with ENOBUFS */
  int listen_fd;
  size_t open;   /* connections */
  bool finished; /* `once`, and the last connection has closed */
};

static uint64_t tag(const struct conn *c, enum kind kind) {
  return (uint64_t)(uintptr_t)c | (uint64_t)kind;
}

static void start_accept(struct echo *e) {
  struct io_uring_sqe *sqe = ring_sqe(&e->ring);
  io_uring_prep_multishot_accept(sqe, e->listen_fd, NULL, NULL, SOCK_CLOEXEC);
  io_uring_sqe_set_data64(sqe, tag(NULL, ACCEPT));
}

static void start_recv(struct echo *e, struct conn *c) {
  struct io_uring_sqe *sqe = ring_sqe(&e->ring);
  io_uring_prep_recv_multishot(sqe, c->fd, NULL, 0, 0);
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->buf_group = GROUP;
  io_uring_sqe_set_data64(sqe, tag(c, RECV));
  c->receiving = true;
}

static void give_back(struct echo *e, int index) {
  io_uring_buf_ring_add(e->buffers, e->memory + (size_t)index * BUFFER_SIZE, BUFFER_SIZE,
                        (unsigned short)index, io_uring_buf_ring_mask(BUFFERS), 0);
  io_uring_buf_ring_advance(e->buffers, 1);
  struct conn *c = e->starved;
  if (!c) return;
  e->starved = c->next_starved;
  start_recv(e, c);
}

static void start_send(struct echo *e, struct conn *c) {
  const struct chunk *chunk = &e->chunk[c->first];
  const char *from = e->memory + (size_t)c->first * BUFFER_SIZE + chunk->from;
  size_t len = echo_send_size(&e->options, c->done, chunk->to - chunk->from);
  struct io_uring_sqe *sqe = ring_sqe(&e->ring);
  io_uring_prep_send(sqe, c->fd, from, len, MSG_NOSIGNAL);
  io_uring_sqe_set_data64(sqe, tag(c, SEND));
  c->sending = true;
}

static void push_chunk(struct echo *e, struct conn *c, int index, uint32_t len) {
  e->chunk[index] = (struct chunk){.next = NONE, .from = 0, .to = len};
  if (c->first == NONE) c->first = index;
  else e->chunk[c->last].next = index;
  c->last = index;
}

static void pop_chunk(struct echo *e, struct conn *c) {
  int index = c->first;
  c->first = e->chunk[index].next;
  give_back(e, index);
}

/* Sends what waits; frees the connection when nothing more can come of it. */
static void advance(struct echo *e, struct conn *c) {
  if (c->sending) return;
  while (c->dead && c->first != NONE) pop_chunk(e, c);
  if (c->first != NONE) start_send(e, c);
  if (c->sending || c->receiving) return;
  close(c->fd);
  free(c);
  e->open--;
  e->finished = e->options.once && e->open == 0;
}

static void on_accept(struct echo *e, const struct io_uring_cqe *cqe) {
  if (!(cqe->flags & IORING_CQE_F_MORE)) start_accept(e);
  if (cqe->res < 0) return;
  struct conn *c = calloc(1, sizeof *c);
  echo_check(c ? 0 : -ENOMEM, "calloc");
  c->fd = cqe->res;
  c->first = NONE;
  e->open++;
  start_recv(e, c);
}

static void on_recv(struct echo *e, struct conn *c, const struct io_uring_cqe *cqe) {
  if (cqe->res > 0) {
    push_chunk(e, c, (int)(cqe->flags >> IORING_CQE_BUFFER_SHIFT), (uint32_t)cqe->res);
  } else if (cqe->flags & IORING_CQE_F_BUFFER) {
    give_back(e, (int)(cqe->flags >> IORING_CQE_BUFFER_SHIFT));
  }
  if (cqe->res == -ENOBUFS) { /* still receiving: give_back starts it again */
    c->next_starved = e->starved;
    e->starved = c;
  } else if (!(cqe->flags & IORING_CQE_F_MORE)) {
    c->receiving = false;
    if (cqe->res > 0) start_recv(e, c);
  }
  advance(e, c);
}

static void on_send(struct echo *e, struct conn *c, int sent) {
  c->sending = false;
  if (sent < 0) {
    c->dead = true;
    shutdown(c->fd, SHUT_RDWR); /* ends the recv */
  } else {
    struct chunk *chunk = &e->chunk[c->first];
    c->done += (uint64_t)sent;
    chunk->from += (uint32_t)sent;
    if (chunk->from == chunk->to) pop_chunk(e, c);
  }
  advance(e, c);
}

static void handle(struct echo *e, const struct io_uring_cqe *cqe) {
  struct conn *c = (struct conn *)(uintptr_t)(cqe->user_data & ~(uint64_t)KIND_MASK);
  switch (cqe->user_data & KIND_MASK) {
  case ACCEPT: on_accept(e, cqe); break;
  case RECV: on_recv(e, c, cqe); break;
  default: on_send(e, c, cqe->res); break;
  }
}

/* liburing 2.3 has no io_uring_setup_buf_ring, so both pieces of memory are ours. */
static void open_buffers(struct echo *e) {
  void *ring_memory = NULL, *memory = NULL;
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  size_t ring_size = BUFFERS * sizeof(struct io_uring_buf);
  echo_check(-posix_memalign(&ring_memory, page, ring_size), "posix_memalign");
  echo_check(-posix_memalign(&memory, page, (size_t)BUFFERS * BUFFER_SIZE), "posix_memalign");
  e->memory = memory;
  e->buffers = ring_memory;
  io_uring_buf_ring_init(e->buffers);
  struct io_uring_buf_reg reg = {
      .ring_addr = (uint64_t)(uintptr_t)ring_memory, .ring_entries = BUFFERS, .bgid = GROUP};
  echo_check(io_uring_register_buf_ring(&e->ring, &reg, 0), "io_uring_register_buf_ring");
  for (int i = 0; i < BUFFERS; i++) give_back(e, i);
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
  static struct echo e;
  e.options = echo_parse(argc, argv);
  e.listen_fd = echo_listen();
  ring_open(&e.ring);
  open_buffers(&e);
  start_accept(&e);
  echo_say_ready(e.listen_fd);
  while (!e.finished) turn(&e);
  return 0;
}
