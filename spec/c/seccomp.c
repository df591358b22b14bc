/* Runs a program under seccomp filters that refuse system calls, as container profiles do:
     seccomp EPERM|ENOSYS io_uring_setup,io_uring_enter,io_uring_register program args...
   or epoll_create1, epoll_pwait2, pidfd_send_signal; or io_uring_use, which is an io_uring_enter
   that submits or waits, so that a ring is opened before it is refused.
   Without arguments it tests itself: each call is refused, and the others are not. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
  const char *name;
  unsigned number;
  bool used_only; /* refused when its second or third argument is not 0 */
} calls[] = {
    {"io_uring_setup", __NR_io_uring_setup, false},
    {"io_uring_enter", __NR_io_uring_enter, false},
    {"io_uring_register", __NR_io_uring_register, false},
    {"io_uring_use", __NR_io_uring_enter, true},
    {"epoll_create1", __NR_epoll_create1, false},
    {"epoll_pwait2", 441, false}, /* __NR_epoll_pwait2, which older headers lack */
    {"pidfd_send_signal", __NR_pidfd_send_signal, false},
};

enum { COUNT = sizeof calls / sizeof calls[0] };

#define ARGUMENT(n) offsetof(struct seccomp_data, args[n])

/* From now on this process and its children get `err` from that call. */
static int refuse(size_t i, int err) {
  unsigned char always = calls[i].used_only ? 0 : 4; /* past the look at the arguments */
  struct sock_filter rules[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i].number, always, 5),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARGUMENT(1)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 2),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARGUMENT(2)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)err),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog filter = {sizeof rules / sizeof rules[0], rules};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0);
}

/* The errno of a call with arguments that are always wrong. */
static int errno_of(unsigned number) {
  errno = 0;
  return syscall((long)number, -1, -1, -1, -1, -1, -1) < 0 ? errno : 0;
}

static void child(size_t refused) {
  if (refuse(refused, ENODATA) != 0) _exit(77);
  for (size_t i = 0; i < COUNT; i++) {
    bool same = calls[i].number == calls[refused].number; /* errno_of uses all arguments */
    if ((errno_of(calls[i].number) == ENODATA) != same) _exit(1);
  }
  _exit(0);
}

static int test(void) {
  int worst = 0;
  for (size_t i = 0; i < COUNT; i++) {
    int status;
    pid_t pid = fork();
    if (pid == 0) child(i);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) return 1;
    if (WEXITSTATUS(status) == 77) puts("seccomp filters cannot be installed here");
    else if (WEXITSTATUS(status) != 0) printf("the filter of %s is wrong\n", calls[i].name);
    if (WEXITSTATUS(status) > worst) worst = WEXITSTATUS(status);
  }
  return worst;
}

static bool is_named(size_t i, const char *name, size_t length) {
  return strlen(calls[i].name) == length && strncmp(calls[i].name, name, length) == 0;
}

/* A filter for each of the names; the exit status when one cannot be had, else 0. */
static int refuse_all(const char *names, int err) {
  for (size_t length; *names; names += length + (names[length] == ',')) {
    size_t i = 0;
    length = strcspn(names, ",");
    while (i < COUNT && !is_named(i, names, length)) i++;
    if (i == COUNT) {
      fprintf(stderr, "seccomp: unknown system call: %.*s\n", (int)length, names);
      return 2;
    }
    if (refuse(i, err) != 0) {
      perror("seccomp");
      return 77;
    }
  }
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 1) return test();
  if (argc <= 3) {
    fputs("usage: seccomp EPERM|EACCES|ENOSYS system-call,... program args...\n", stderr);
    return 2;
  }
  int err = strcmp(argv[1], "EPERM") == 0    ? EPERM
            : strcmp(argv[1], "EACCES") == 0 ? EACCES
                                             : ENOSYS;
  int status = refuse_all(argv[2], err);
  if (status) return status;
  execvp(argv[3], argv + 3);
  perror(argv[3]);
  return 127;
}
