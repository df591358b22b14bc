/*
** load_server.c - the server process under load.
**
** Invariant: from a successful start to server_stop there is exactly one child, in a process
** group of its own, which dies with us (PR_SET_PDEATHSIG). Single-threaded.
*/
#define _GNU_SOURCE
#include "load_server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { NS_PER_S = 1000000000, NAP_NS = 1000000 };

static uint64_t read_clock(clockid_t id) {
  struct timespec ts;
  if (clock_gettime(id, &ts) != 0) return 0;
  return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t clock_ns(void) {
  return read_clock(CLOCK_MONOTONIC);
}

uint64_t own_cpu_ns(void) {
  return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

/* The n-th of the CPUs that are allowed, because a container may not own CPU 0. */
bool pin_to_cpu(int nth) {
  cpu_set_t allowed;
  if (nth < 0 || sched_getaffinity(0, sizeof allowed, &allowed) != 0) return false;
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET((size_t)cpu, &allowed) || nth-- > 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)cpu, &one);
    return sched_setaffinity(0, sizeof one, &one) == 0;
  }
  return false;
}

/* In the child, after fork: never returns. */
static void become_server(char **argv, int cpu, int out_fd, pid_t parent) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127); /* it died before the line above */
  pin_to_cpu(cpu);
  int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (null_fd >= 0) dup2(null_fd, STDIN_FILENO);
  dup2(out_fd, STDOUT_FILENO);
  execvp(argv[0], argv);
  fprintf(stderr, "load: cannot run %s: %s\n", argv[0], strerror(errno));
  _exit(127);
}

/* Reads stdout until a whole line says "ready PORT"; 0 at its end or when time is up. */
static int read_port(int fd, double patience_s) {
  char text[1024];
  size_t len = 0;
  uint64_t deadline = clock_ns() + (uint64_t)(patience_s * NS_PER_S);
  for (uint64_t now = clock_ns(); now < deadline && len < sizeof text - 1; now = clock_ns()) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, (int)((deadline - now) / NAP_NS) + 1) <= 0) continue;
    ssize_t n = read(fd, text + len, sizeof text - 1 - len);
    if (n <= 0) return 0;
    len += (size_t)n;
    text[len] = '\0';
    const char *ready = strstr(text, "ready ");
    if (ready && strchr(ready, '\n')) return atoi(ready + strlen("ready "));
  }
  return 0;
}

bool server_start(struct server *s, char **argv, int cpu, double patience_s) {
  int out[2];
  if (pipe2(out, O_CLOEXEC) != 0) return false;
  pid_t parent = getpid();
  s->pid = fork();
  if (s->pid == 0) become_server(argv, cpu, out[1], parent);
  close(out[1]);
  s->out_fd = out[0];
  if (s->pid < 0) return false;
  setpgid(s->pid, s->pid); /* both sides set it: neither has to be first */
  s->port = read_port(s->out_fd, patience_s);
  if (s->port > 0) return true;
  fprintf(stderr, "load: %s did not say \"ready PORT\"\n", argv[0]);
  server_stop(s, false, 0);
  return false;
}

/* A small text file of /proc, "" when it cannot be read. */
static void read_text(const char *path, char *text, size_t size) {
  text[0] = '\0';
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t n = read(fd, text, size - 1);
  close(fd);
  text[n > 0 ? n : 0] = '\0';
}

/* The first number after `key` in such a file; 0 when there is none. */
static long read_field(const char *path, const char *key) {
  char text[8192];
  read_text(path, text, sizeof text);
  const char *at = strstr(text, key);
  return at ? atol(at + strlen(key)) : 0;
}

/* utime and stime are fields 14 and 15 of stat; field 2, the name, ends in the last ')'. */
static void count_ticks(pid_t pid, struct server_cost *cost) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  read_text(path, text, sizeof text);
  const char *at = strrchr(text, ')');
  if (!at) return;
  sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &cost->user_ticks,
         &cost->system_ticks);
}

static void count_switches(pid_t pid, struct server_cost *cost) {
  char path[320];
  snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
  DIR *dir = opendir(path);
  if (!dir) return;
  for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
    if (e->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "/proc/%d/task/%s/status", (int)pid, e->d_name);
    long asked = read_field(path, "\nvoluntary_ctxt_switches:");
    long forced = read_field(path, "\nnonvoluntary_ctxt_switches:");
    cost->switches += (uint64_t)(asked + forced);
    cost->threads++;
  }
  closedir(dir);
}

void server_look(const struct server *s, struct server_cost *cost) {
  char path[64];
  clockid_t cpu_clock;
  memset(cost, 0, sizeof *cost);
  cost->at_ns = clock_ns();
  if (clock_getcpuclockid(s->pid, &cpu_clock) == 0) cost->cpu_ns = read_clock(cpu_clock);
  count_ticks(s->pid, cost);
  count_switches(s->pid, cost);
  /* smaps_rollup is exact; VmRSS of status is a sum of counters that lag behind. */
  snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)s->pid);
  cost->rss_kib = read_field(path, "\nRss:");
}

static bool reaped_within(pid_t pid, double patience_s) {
  uint64_t deadline = clock_ns() + (uint64_t)(patience_s * NS_PER_S);
  for (;;) {
    pid_t got = waitpid(pid, NULL, WNOHANG);
    if (got == pid || (got < 0 && errno == ECHILD)) return true;
    if (clock_ns() >= deadline) return false;
    nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
  }
}

void server_stop(struct server *s, bool once, double patience_s) {
  if (s->pid <= 0) return;
  bool gone = once && reaped_within(s->pid, patience_s);
  if (once && !gone) fprintf(stderr, "load: the server did not end by itself\n");
  if (!gone) kill(s->pid, SIGTERM);
  if (!gone && !reaped_within(s->pid, 1.0)) {
    kill(-s->pid, SIGKILL); /* the group: a wrapper may have a child of its own */
    waitpid(s->pid, NULL, 0);
  }
  close(s->out_fd);
  s->pid = 0;
}
