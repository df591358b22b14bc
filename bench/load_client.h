/*
** The load itself: N connections to one loopback port, each with D messages of S bytes in
** flight. Either a closed loop, where a message leaves only when the echo of an earlier one has
** arrived, or paced: messages leave when they are due, whatever has become of those before.
*/
#ifndef BENCH_LOAD_CLIENT_H
#define BENCH_LOAD_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "load_hist.h"

struct conn;

struct client {
  int epoll_fd;
  int port;            /* of the server */
  uint32_t opened;     /* connections of a storm so far */
  size_t conns;        /* connections */
  size_t size;         /* bytes of a message */
  size_t depth;        /* messages in flight per connection */
  bool draining;       /* answered messages are not replaced by new ones */
  bool paced;          /* nor while messages leave when they are due */
  bool storm;          /* every message goes over a connection of its own; depth is 1 */
  uint64_t done;       /* messages answered since the start */
  uint64_t in_flight;  /* messages sent and not yet answered */
  struct hist latency; /* ns from send to the last byte of the echo */
  struct hist late;    /* ns by which a paced message left after it was due: the load's own fault */
  const char *failure; /* why the run is void; NULL while it is not */
  struct conn *conn;   /* the connections, `conns` of them */
  char *pattern;       /* what every connection sends, at its own phase */
  char *input;         /* where every echo is read to, then compared */
};

/* Connects everything; false with client->failure set when a connection is refused. */
bool client_init(struct client *c, int port, size_t conns, size_t size, size_t depth, bool storm);

/* Puts the first `depth` messages of every connection in flight. */
void client_begin(struct client *c);

/* Drives the load until `done` messages are answered, or the time is up, or it failed. */
bool client_run(struct client *c, uint64_t done, uint64_t deadline_ns);

/* Sends `rate` messages per second over all connections in turn until the deadline. Each is timed
   from the moment at which it was due, so that a server (or a load) which falls behind is seen to.
   Spins, for a load that sleeps is late. Fails where a connection has `depth` in flight. */
bool client_pace(struct client *c, double rate, uint64_t deadline_ns);

/* Sends nothing new and takes what is in flight, so that no connection is reset. */
bool client_drain(struct client *c, uint64_t deadline_ns);

/* Closes everything; safe after a failed client_init. */
void client_fini(struct client *c);

#endif
