/*
** What the echo servers in C share: arguments, the listening socket, the "ready" line.
** The contract they keep is at the head of load.c.
*/
#ifndef BENCH_ECHO_COMMON_H
#define BENCH_ECHO_COMMON_H

#include <stdbool.h>
#include <stddef.h>

struct echo_options {
  bool once;      /* end when the last connection has closed */
  size_t message; /* send once per this many bytes; 0: once per chunk */
};

/* Reads the arguments; ends the program at one that it does not know. */
struct echo_options echo_parse(int argc, char **argv);

/* A listening socket on 127.0.0.1, any port; ends the program when there is none. */
int echo_listen(void);

/* Prints the line "ready PORT" for the listening socket. */
void echo_say_ready(int fd);

/* How many of the `len` bytes waiting may leave in one send, `done` bytes into the stream. */
size_t echo_send_size(const struct echo_options *o, size_t done, size_t len);

/* Ends the program with "subject: what errno `code` means" unless code is 0 or positive. */
void echo_check(long code, const char *subject);

#endif
