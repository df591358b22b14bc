/*
** echo_common.c - what the echo servers in C share. No state.
*/
#define _GNU_SOURCE
#include "echo_common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { BACKLOG = 1024 };

void echo_check(long code, const char *subject) {
  if (code >= 0) return;
  fprintf(stderr, "%s: %s\n", subject, strerror((int)-code));
  exit(1);
}

struct echo_options echo_parse(int argc, char **argv) {
  struct echo_options o = {0};
  for (int i = 1; i < argc; i++) {
    char *end = argv[i];
    if (strncmp(argv[i], "message=", 8) == 0) o.message = strtoul(argv[i] + 8, &end, 10);
    if (strcmp(argv[i], "once") == 0) {
      o.once = true;
    } else if (o.message == 0 || *end != '\0') {
      fprintf(stderr, "usage: %s [once] [message=BYTES]\n", argv[0]);
      exit(1);
    }
  }
  return o;
}

int echo_listen(void) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  echo_check(fd < 0 ? -errno : 0, "socket");
  echo_check(bind(fd, (struct sockaddr *)&at, sizeof at) != 0 ? -errno : 0, "bind");
  echo_check(listen(fd, BACKLOG) != 0 ? -errno : 0, "listen");
  /* Accepted sockets inherit it, so that no server pays a system call per connection. */
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
  return fd;
}

void echo_say_ready(int fd) {
  struct sockaddr_in at = {0};
  echo_check(getsockname(fd, (struct sockaddr *)&at, &(socklen_t){sizeof at}) != 0 ? -errno : 0,
             "getsockname");
  printf("ready %d\n", ntohs(at.sin_port));
  fflush(stdout);
}

size_t echo_send_size(const struct echo_options *o, size_t done, size_t len) {
  if (o->message == 0) return len;
  size_t rest = o->message - done % o->message;
  return rest < len ? rest : len;
}
