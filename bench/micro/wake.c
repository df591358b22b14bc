/* What it costs to wake a thread that sleeps in its ring: two threads wake each other in turn, by
   an eventfd that a read in flight listens to (what kio does), by MSG_RING in an entry of its own,
   and by MSG_RING that goes along with the entry that waits anyway: build/bench/wake (make
   bench-micro). Prints processor time and real time per wake; the median of interleaved rounds. */
#include <liburing.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 15, TURNS = 5000 };
enum { EVENTFD, OWN_ENTRY, SAME_ENTRY, WAYS };
enum { LISTEN = 1, SENT = 2, WOKEN = 3 }; /* user_data */

static const char *const names[WAYS] = {"eventfd", "MSG_RING, an entry of its own",
                                        "MSG_RING, with the entry that waits"};

typedef struct side {
  struct io_uring ring;
  struct side *peer;
  pthread_barrier_t *ready;
  uint64_t count; /* what the eventfd held */
  int fd;
  int way;
  int first; /* it begins */
} side;

static void check(int result, const char *what) {
  if (result >= 0) return;
  fprintf(stderr, "wake: %s: %d\n", what, result);
  exit(1);
}

static void listen_for_wake(side *s) {
  if (s->way != EVENTFD) return;
  struct io_uring_sqe *sqe = io_uring_get_sqe(&s->ring);
  io_uring_prep_read(sqe, s->fd, &s->count, sizeof s->count, 0);
  io_uring_sqe_set_data64(sqe, LISTEN);
}

static void wake_peer(side *s) {
  uint64_t one = 1;
  if (s->way == EVENTFD) {
    check((int)write(s->peer->fd, &one, sizeof one), "write");
    return;
  }
  struct io_uring_sqe *sqe = io_uring_get_sqe(&s->ring);
  io_uring_prep_msg_ring(sqe, s->peer->ring.ring_fd, 0, WOKEN, 0);
  io_uring_sqe_set_data64(sqe, SENT);
  if (s->way == OWN_ENTRY) check(io_uring_submit(&s->ring), "submit");
}

/* Until it has been woken; answers of its own are passed over. */
static void sleep_until_woken(side *s) {
  struct io_uring_cqe *cqe;
  uint64_t what = 0;
  while (what != LISTEN && what != WOKEN) {
    check(io_uring_submit_and_wait(&s->ring, 1), "wait");
    while (what != LISTEN && what != WOKEN && io_uring_peek_cqe(&s->ring, &cqe) == 0) {
      check(cqe->res, "completion");
      what = cqe->user_data;
      io_uring_cqe_seen(&s->ring, cqe);
    }
  }
}

static void open_ring(side *s) {
  struct io_uring_params params = {.flags =
                                       IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};
  check(io_uring_queue_init_params(64, &s->ring, &params), "ring");
}

static void *run(void *arg) {
  side *s = arg;
  open_ring(s);
  pthread_barrier_wait(s->ready);
  for (int i = 0; i < TURNS; i++) {
    listen_for_wake(s);
    if (s->first) wake_peer(s);
    sleep_until_woken(s);
    if (!s->first) wake_peer(s);
  }
  if (!s->first && s->way == SAME_ENTRY) check(io_uring_submit(&s->ring), "submit");
  pthread_barrier_wait(s->ready);
  io_uring_queue_exit(&s->ring);
  return NULL;
}

static double seconds(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void round_of(int way, double *cpu_us, double *real_us) {
  pthread_t threads[2];
  pthread_barrier_t ready;
  side sides[2] = {{.way = way, .first = 1}, {.way = way}};
  pthread_barrier_init(&ready, NULL, 2);
  double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), real = seconds(CLOCK_MONOTONIC);
  for (int i = 0; i < 2; i++) {
    sides[i].peer = &sides[1 - i];
    sides[i].ready = &ready;
    sides[i].fd = eventfd(0, EFD_CLOEXEC);
    check(sides[i].fd, "eventfd");
  }
  for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, run, &sides[i]);
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  *cpu_us = (seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) / (2.0 * TURNS) * 1e6;
  *real_us = (seconds(CLOCK_MONOTONIC) - real) / (2.0 * TURNS) * 1e6;
  for (int i = 0; i < 2; i++) close(sides[i].fd);
  pthread_barrier_destroy(&ready);
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *list) {
  qsort(list, ROUNDS, sizeof *list, by_size);
  return list[ROUNDS / 2];
}

int main(void) {
  static double cpu[WAYS][ROUNDS], real[WAYS][ROUNDS];
  for (int i = 0; i < ROUNDS; i++) {
    for (int way = 0; way < WAYS; way++) round_of(way, &cpu[way][i], &real[way][i]);
  }
  printf("\na wake of a sleeping thread: processor time, real time\n");
  for (int way = 0; way < WAYS; way++) {
    printf("  %-38s %6.2f us %6.2f us\n", names[way], median(cpu[way]), median(real[way]));
  }
  return 0;
}
