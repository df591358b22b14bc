/*
** reads_pread.c - the floor of the scenario `reads`: COUNT reads of 4 KiB by pread(2), one after
** the other. Prints real and processor time per read, in nanoseconds.
*/
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 4096, CHUNKS = 64 };

static double now_ns(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int main(int argc, char **argv) {
  static char data[CHUNK * CHUNKS];
  long count = argc == 2 ? atol(argv[1]) : 0;
  FILE *file = tmpfile();
  if (count <= 0 || !file) return fputs("usage: reads_pread COUNT\n", stderr), 1;
  memset(data, 'x', sizeof data);
  if (fwrite(data, 1, sizeof data, file) != sizeof data || fflush(file) != 0) return 1;
  double real = now_ns(CLOCK_MONOTONIC), cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
  for (long i = 0; i < count; i++) {
    if (pread(fileno(file), data, CHUNK, i % CHUNKS * CHUNK) != CHUNK) return 1;
  }
  real = now_ns(CLOCK_MONOTONIC) - real;
  cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
  printf("real=%.1f cpu=%.1f\n", real / (double)count, cpu / (double)count);
  return 0;
}
