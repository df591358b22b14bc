/*
** bulk.c - many bytes over one loopback connection.
**
**   bulk peer send|receive BYTES SIZE command...   the end that is not looked at: runs the command
**                                                  with `send|receive PORT BYTES SIZE` behind it
**   bulk end send|receive PORT BYTES SIZE          the end that is, with blocking calls
**
** An end sends BYTES in writes of SIZE, or receives them up to SIZE at once, and prints its real
** and processor time per MiB, in nanoseconds. The two are bound to CPUs of their own. Waits for the
** one child that it starts, which ends with the connection.
*/
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "load_server.h"

enum { PEER_SIZE = 256 * 1024, MIB = 1024 * 1024, WORDS_MAX = 32, PATIENCE_S = 120 };

static _Noreturn void die(const char *what) {
  perror(what);
  exit(1);
}

static void *memory(size_t size) {
  void *p = calloc(1, size);
  if (!p) die("calloc");
  return p;
}

static void send_all(int fd, uint64_t bytes, size_t size) {
  char *data = memory(size);
  while (bytes > 0) {
    ssize_t n = send(fd, data, bytes < size ? bytes : size, MSG_NOSIGNAL);
    if (n < 0) die("send");
    bytes -= (uint64_t)n;
  }
  free(data);
}

static void receive_all(int fd, uint64_t bytes, size_t size) {
  char *data = memory(size);
  while (bytes > 0) {
    ssize_t n = recv(fd, data, size, 0);
    if (n <= 0) die("recv");
    bytes -= (uint64_t)n;
  }
  free(data);
}

static void move(int fd, bool sends, uint64_t bytes, size_t size) {
  if (sends) send_all(fd, bytes, size);
  else receive_all(fd, bytes, size);
}

static int run_end(bool sends, uint16_t port, uint64_t bytes, size_t size) {
  struct sockaddr_in to = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) die("connect");
  uint64_t real = clock_ns(), cpu = own_cpu_ns();
  move(fd, sends, bytes, size);
  real = clock_ns() - real;
  cpu = own_cpu_ns() - cpu;
  double mib = (double)bytes / MIB;
  printf("real=%.1f cpu=%.1f\n", (double)real / mib, (double)cpu / mib);
  return 0;
}

/* In the child: the command, and what it is told. Never returns. */
static _Noreturn void become_end(char **command, char **told, uint16_t port, pid_t parent) {
  char *words[WORDS_MAX] = {0};
  char text[8];
  int n = 0;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  pin_to_cpu(0);
  while (*command && n < WORDS_MAX - 5) words[n++] = *command++;
  snprintf(text, sizeof text, "%u", port);
  words[n++] = told[0];
  words[n++] = text;
  words[n++] = told[1];
  words[n++] = told[2];
  execvp(words[0], words);
  die(words[0]);
}

static int run_peer(char **told, char **command) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), status = 0;
  if (bind(listen_fd, (struct sockaddr *)&at, sizeof at) != 0) die("bind");
  if (listen(listen_fd, 1) != 0) die("listen");
  getsockname(listen_fd, (struct sockaddr *)&at, &(socklen_t){sizeof at});
  alarm(PATIENCE_S);
  pid_t parent = getpid(), child = fork();
  if (child == 0) become_end(command, told, ntohs(at.sin_port), parent);
  pin_to_cpu(1);
  int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
  if (fd < 0) die("accept");
  move(fd, strcmp(told[0], "receive") == 0, strtoull(told[1], NULL, 10), PEER_SIZE);
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv) {
  if (argc > 5 && strcmp(argv[1], "peer") == 0) return run_peer(argv + 2, argv + 5);
  if (argc != 6 || strcmp(argv[1], "end") != 0) {
    return fputs("usage: bulk peer|end ... (see bench/bulk.c)\n", stderr), 1;
  }
  return run_end(strcmp(argv[2], "send") == 0, (uint16_t)atoi(argv[3]), strtoull(argv[4], NULL, 10),
                 strtoul(argv[5], NULL, 10));
}
