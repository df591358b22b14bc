/*
** The server process under load: start it, look at what it consumed, end it.
** Owns one child in a process group of its own; nothing else is ever signalled.
*/
#ifndef BENCH_LOAD_SERVER_H
#define BENCH_LOAD_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct server {
  pid_t pid;  /* the child, and its process group */
  int out_fd; /* read end of its stdout */
  int port;   /* what it said after "ready" */
};

/* What a server has consumed since it started. */
struct server_cost {
  uint64_t at_ns;    /* monotonic time of the look */
  uint64_t cpu_ns;   /* user and system time of all its threads */
  long user_ticks;   /* its parts, which the kernel tells apart by sampling, in */
  long system_ticks; /* clock ticks: read their shares over many runs */
  uint64_t switches; /* voluntary and involuntary, of all its threads */
  long rss_kib;      /* resident memory */
  int threads;       /* kernel workers of io_uring included */
};

/* Monotonic time. */
uint64_t clock_ns(void);

/* Processor time of the calling process. */
uint64_t own_cpu_ns(void);

/* Pins the calling thread to the n-th CPU it may use (n from 0); false when there are fewer. */
bool pin_to_cpu(int nth);

/* Runs argv pinned to the nth CPU and waits for its "ready PORT"; false and a message if not. */
bool server_start(struct server *s, char **argv, int cpu, double patience_s);

/* Looks at the process; the CPU clock is read first because the rest takes time. */
void server_look(const struct server *s, struct server_cost *cost);

/* Lets the server end by itself (`once`) or ends it by SIGTERM, then by SIGKILL; reaps it. */
void server_stop(struct server *s, bool once, double patience_s);

#endif
