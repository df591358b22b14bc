/*
** load.c - starts an echo server, loads it, and says on one line what that cost.
**
**   load [options] [--] command...
**
** The contract of every server here (bench/echo_*):
**   - it listens on 127.0.0.1, port 0, with TCP_NODELAY, and then prints the line "ready PORT";
**   - it echoes what each connection sends, chunk by chunk as it arrives;
**   - with the argument `message=S` it sends once per S-byte message instead of once per chunk;
**   - with the argument `once` it ends by itself when the last connection has closed;
**   - without, it runs until SIGTERM, which it does not catch.
** `once` exists because a server under valgrind does not get SIGTERM while it is inside
** io_uring_enter. The command may begin with a wrapper (valgrind, strace); figures that come
** from /proc then belong to the wrapper's process.
**
** Always ends by itself: every phase has a deadline and alarm(2) stands behind them. Signals no
** process but the one it started and that one's group. Exit code 0, or 1 with the reason.
*/
#define _GNU_SOURCE
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "load_client.h"
#include "load_server.h"

enum { CONNS_MAX = 100000, SIZE_MAX_BYTES = 1 << 20, DEPTH_MAX = 4096, SECONDS_MAX = 600 };
enum { RATE_MAX = 10000000 };        /* messages per second */
enum { FLIGHT_MAX = 1 << 26 };       /* bytes in flight per connection */
enum { DRAIN_S = 30, SLACK_S = 60 }; /* DRAIN_S is long because valgrind is slow */
enum { FILES_SPARE = 64 };           /* descriptors that are not connections */
enum { SETTLE_S = 1 }; /* what a server does after its last echo, before --idle looks */

static const double NS = 1e9;

struct options {
  size_t conns, size, depth;
  uint64_t warm_requests; /* the warm-up ends at this count ... */
  double warm_s;          /* ... or after this time */
  uint64_t requests;      /* and the measured window likewise */
  double seconds;
  double patience_s;        /* for "ready", and for the end of a `once` server */
  int server_cpu, load_cpu; /* the n-th CPU allowed; -1: not pinned */
  bool pinned;              /* each side has a CPU of its own */
  bool once;                /* the server ends by itself */
  bool storm;               /* every message over a connection of its own */
  bool idle;                /* one message per connection, then silence: how much memory is held */
  double rate;              /* messages per second over all connections; 0: as fast as answered */
};

static const char usage[] =
    "usage: load [options] [--] command...\n"
    "  --conns N (50)  --size BYTES (64)  --depth MESSAGES-IN-FLIGHT (1)\n"
    "  --warm-requests N  --warm-seconds S (0.2)  --requests N  --seconds S (1)\n"
    "  --patience S (10)  --server-cpu N (0)  --load-cpu N (1)  --once  --idle  --storm\n"
    "  --rate MESSAGES-PER-SECOND: sent when they are due, and timed from then\n";

static const struct option option_list[] = {{"conns", required_argument, NULL, 'c'},
                                            {"depth", required_argument, NULL, 'd'},
                                            {"load-cpu", required_argument, NULL, 'L'},
                                            {"once", no_argument, NULL, 'o'},
                                            {"patience", required_argument, NULL, 'p'},
                                            {"requests", required_argument, NULL, 'n'},
                                            {"seconds", required_argument, NULL, 't'},
                                            {"server-cpu", required_argument, NULL, 'C'},
                                            {"size", required_argument, NULL, 's'},
                                            {"warm-requests", required_argument, NULL, 'w'},
                                            {"warm-seconds", required_argument, NULL, 'W'},
                                            {"idle", no_argument, NULL, 'i'},
                                            {"rate", required_argument, NULL, 'r'},
                                            {"storm", no_argument, NULL, 'S'},
                                            {NULL, 0, NULL, 0}};

/* A number within [low, high], or the end of the program: a bound is never quietly moved. */
static double number(const char *text, double low, double high) {
  char *end;
  double value = strtod(text, &end);
  if (*text != '\0' && *end == '\0' && value >= low && value <= high) return value;
  fprintf(stderr, "load: %s is not a number from %g to %g\n%s", text, low, high, usage);
  exit(1);
}

static void set_option(struct options *o, int key, const char *arg) {
  switch (key) {
  case 'c': o->conns = (size_t)number(arg, 1, CONNS_MAX); break;
  case 'd': o->depth = (size_t)number(arg, 1, DEPTH_MAX); break;
  case 's': o->size = (size_t)number(arg, 1, SIZE_MAX_BYTES); break;
  case 'n': o->requests = (uint64_t)number(arg, 1, 1e12); break;
  case 'w': o->warm_requests = (uint64_t)number(arg, 0, 1e12); break;
  case 't': o->seconds = number(arg, 0.01, SECONDS_MAX); break;
  case 'W': o->warm_s = number(arg, 0, SECONDS_MAX); break;
  case 'p': o->patience_s = number(arg, 0.1, SECONDS_MAX); break;
  case 'C': o->server_cpu = (int)number(arg, -1, 4095); break;
  case 'L': o->load_cpu = (int)number(arg, -1, 4095); break;
  case 'r': o->rate = number(arg, 1, RATE_MAX); break;
  case 'o': o->once = true; break;
  case 'i': o->idle = true; break;
  case 'S': o->storm = true; break;
  default: fputs(usage, stderr); exit(1);
  }
}

static void parse_options(struct options *o, int argc, char **argv) {
  *o = (struct options){
      .conns = 50,
      .size = 64,
      .depth = 1,
      .warm_requests = UINT64_MAX,
      .warm_s = 0.2,
      .requests = UINT64_MAX,
      .seconds = 1,
      .patience_s = 10,
      .server_cpu = 0,
      .load_cpu = 1,
  };
  int key;
  while ((key = getopt_long(argc, argv, "+", option_list, NULL)) != -1) set_option(o, key, optarg);
  if (o->rate > 0) o->depth = DEPTH_MAX; /* how far a server may fall behind on a connection */
  bool too_much = o->size * o->depth > FLIGHT_MAX;
  if (too_much) fprintf(stderr, "load: above %d bytes in flight per connection\n", FLIGHT_MAX);
  if (too_much || optind == argc) set_option(o, '?', NULL);
}

static uint64_t after(double seconds) {
  return clock_ns() + (uint64_t)(seconds * NS);
}

static uint64_t add_capped(uint64_t a, uint64_t b) {
  return b > UINT64_MAX - a ? UINT64_MAX : a + b;
}

/* What one run saw: the process before any connection, and at both ends of the window. */
struct looks {
  struct server_cost fresh, start, end;
  uint64_t done_start, done_end;
  uint64_t load_start_ns, load_end_ns; /* processor time of ours */
};

static void report(const struct options *o, const struct client *c, const struct looks *l) {
  uint64_t requests = l->done_end - l->done_start;
  double per_request = requests ? 1.0 / (double)requests : NAN;
  double window_ns = (double)(l->end.at_ns - l->start.at_ns);
  double cpu_ns = (double)(l->end.cpu_ns - l->start.cpu_ns);
  double grown_bytes = (double)(l->end.rss_kib - l->fresh.rss_kib) * 1024.0;
  printf("conns=%zu size=%zu depth=%zu requests=%" PRIu64, o->conns, o->size, o->depth, requests);
  printf(" total=%" PRIu64 " seconds=%.4f", c->done, window_ns / NS);
  printf(" rps=%.0f", (double)requests / (window_ns / NS));
  printf(" p50_us=%.1f", (double)hist_quantile(&c->latency, 0.5) / 1e3);
  printf(" p99_us=%.1f", (double)hist_quantile(&c->latency, 0.99) / 1e3);
  printf(" p999_us=%.1f", (double)hist_quantile(&c->latency, 0.999) / 1e3);
  printf(" late_us=%.1f", (double)hist_quantile(&c->late, 0.99) / 1e3);
  printf(" cpu_ns=%.1f busy=%.3f", cpu_ns * per_request, cpu_ns / window_ns);
  printf(" user_ticks=%ld", l->end.user_ticks - l->start.user_ticks);
  printf(" system_ticks=%ld", l->end.system_ticks - l->start.system_ticks);
  printf(" load_busy=%.3f", (double)(l->load_end_ns - l->load_start_ns) / window_ns);
  printf(" switches=%.5f", (double)(l->end.switches - l->start.switches) * per_request);
  printf(" rss_kib=%ld rss_fresh_kib=%ld", l->end.rss_kib, l->fresh.rss_kib);
  printf(" conn_bytes=%.0f threads=%d", grown_bytes / (double)o->conns, l->end.threads);
  printf(" pinned=%d\n", o->pinned);
}

/* For us and the server alike, and no more than needed: some programs walk all descriptors. */
static void allow_descriptors(size_t count) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= count) return;
  files.rlim_cur = count < files.rlim_max ? count : files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

/* Both ends of the window. */
static void look_start(const struct server *s, const struct client *c, struct looks *l) {
  server_look(s, &l->start);
  l->done_start = c->done;
  l->load_start_ns = own_cpu_ns();
}

static void look_end(const struct server *s, const struct client *c, struct looks *l) {
  l->load_end_ns = own_cpu_ns();
  l->done_end = c->done;
  server_look(s, &l->end);
}

/* Warm-up, window, drain; false when the client says the run is void. */
static bool measure(const struct options *o, struct server *s, struct client *c, struct looks *l) {
  client_begin(c);
  if (!client_run(c, o->warm_requests, after(o->warm_s))) return false;
  look_start(s, c, l);
  uint64_t deadline = after(o->seconds);
  uint64_t until = add_capped(c->done, o->requests);
  /* What was in flight while we looked is late by our own doing: count it, do not time it. */
  client_run(c, c->done + c->in_flight < until ? c->done + c->in_flight : until, deadline);
  hist_clear(&c->latency);
  client_run(c, until, deadline);
  look_end(s, c, l);
  return client_drain(c, after(DRAIN_S));
}

/* At a fixed rate the window begins and ends with nothing in flight, so that no message is late by
   our looking at the server, and none that was due goes untimed. */
static bool measure_rate(const struct options *o, struct server *s, struct client *c,
                         struct looks *l) {
  bool ok = client_pace(c, o->rate, after(o->warm_s)) && client_drain(c, after(DRAIN_S));
  if (!ok) return false;
  hist_clear(&c->latency);
  hist_clear(&c->late);
  look_start(s, c, l);
  ok = client_pace(c, o->rate, after(o->seconds)) && client_drain(c, after(DRAIN_S));
  look_end(s, c, l);
  return ok;
}

/* Every connection has worked once and is idle; false when the client says the run is void. */
static bool measure_idle(const struct options *o, struct server *s, struct client *c,
                         struct looks *l) {
  look_start(s, c, l);
  client_begin(c);
  if (!client_drain(c, after(o->seconds > DRAIN_S ? o->seconds : DRAIN_S))) return false;
  nanosleep(&(struct timespec){.tv_sec = SETTLE_S}, NULL);
  look_end(s, c, l);
  return true;
}

/* Whether each side has a CPU of its own: said in the line, for without it the figures are void. */
static bool pinned_apart(const struct options *o) {
  bool ours = pin_to_cpu(o->load_cpu);
  return ours && o->server_cpu >= 0 && o->server_cpu != o->load_cpu;
}

static bool measure_as_told(const struct options *o, struct server *s, struct client *c,
                            struct looks *l) {
  if (o->idle) return measure_idle(o, s, c, l);
  return o->rate > 0 ? measure_rate(o, s, c, l) : measure(o, s, c, l);
}

static bool load(const struct options *o, struct server *s) {
  static struct client client; /* static because the histogram is 30 KiB */
  struct looks looks = {0};
  server_look(s, &looks.fresh);
  bool ok = client_init(&client, s->port, o->conns, o->size, o->depth, o->storm);
  if (ok) ok = measure_as_told(o, s, &client, &looks);
  if (ok) report(o, &client, &looks);
  else fprintf(stderr, "load: %s\n", client.failure);
  client_fini(&client);
  return ok;
}

int main(int argc, char **argv) {
  struct options o;
  struct server s;
  parse_options(&o, argc, argv);
  alarm((unsigned)(o.warm_s + o.seconds + 2 * o.patience_s) + DRAIN_S + SLACK_S);
  allow_descriptors(o.conns + FILES_SPARE);
  if (!server_start(&s, argv + optind, o.server_cpu, o.patience_s)) return 1;
  o.pinned = pinned_apart(&o);
  bool ok = load(&o, &s);
  server_stop(&s, o.once && ok, o.patience_s);
  return ok ? 0 : 1;
}
