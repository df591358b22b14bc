/* The yardstick of the scenario `threads`: messages between two threads through a ring of 64-bit
   numbers under a mutex, with a condition variable for each end. No copies, no Lua.

     threads_queue stream PLACES COUNT   one thread sends COUNT numbers, the other receives them
     threads_queue trip PLACES COUNT     COUNT numbers go there and back, one after the other

   Prints real and processor time per message (or per trip), in nanoseconds. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct queue {
  pthread_mutex_t lock;
  pthread_cond_t filled;  /* no longer empty */
  pthread_cond_t drained; /* no longer full */
  uint64_t *ring;
  size_t places;
  size_t first;
  size_t count;
} queue;

typedef struct job {
  queue there;
  queue back;
  uint64_t count;
  int echo; /* the other thread answers */
} job;

static void queue_init(queue *q, size_t places) {
  pthread_mutex_init(&q->lock, NULL);
  pthread_cond_init(&q->filled, NULL);
  pthread_cond_init(&q->drained, NULL);
  q->ring = calloc(places, sizeof *q->ring);
  if (!q->ring) exit(1);
  q->places = places;
  q->first = q->count = 0;
}

static void send(queue *q, uint64_t value) {
  pthread_mutex_lock(&q->lock);
  while (q->count == q->places) pthread_cond_wait(&q->drained, &q->lock);
  q->ring[(q->first + q->count++) % q->places] = value;
  pthread_mutex_unlock(&q->lock);
  pthread_cond_signal(&q->filled);
}

static uint64_t receive(queue *q) {
  pthread_mutex_lock(&q->lock);
  while (q->count == 0) pthread_cond_wait(&q->filled, &q->lock);
  uint64_t value = q->ring[q->first];
  q->first = (q->first + 1) % q->places;
  q->count--;
  pthread_mutex_unlock(&q->lock);
  pthread_cond_signal(&q->drained);
  return value;
}

static void *other(void *arg) {
  job *j = arg;
  for (uint64_t i = 1; i <= j->count; i++) {
    uint64_t value = receive(&j->there);
    if (value != i) exit(1);
    if (j->echo) send(&j->back, value);
  }
  return NULL;
}

static double now_ns(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int main(int argc, char **argv) {
  job j;
  pthread_t thread;
  if (argc != 4) return fprintf(stderr, "usage: threads_queue stream|trip PLACES COUNT\n"), 1;
  j.echo = strcmp(argv[1], "trip") == 0;
  j.count = strtoull(argv[3], NULL, 10);
  queue_init(&j.there, strtoul(argv[2], NULL, 10));
  queue_init(&j.back, strtoul(argv[2], NULL, 10));
  double real = now_ns(CLOCK_MONOTONIC), cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
  if (pthread_create(&thread, NULL, other, &j) != 0) return 1;
  for (uint64_t i = 1; i <= j.count; i++) {
    send(&j.there, i);
    if (j.echo && receive(&j.back) != i) return 1;
  }
  pthread_join(thread, NULL);
  real = now_ns(CLOCK_MONOTONIC) - real;
  cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
  printf("real=%.1f cpu=%.1f\n", real / (double)j.count, cpu / (double)j.count);
  return 0;
}
