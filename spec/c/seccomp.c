/* Runs a program under a seccomp filter that refuses one system call, as container profiles do:
     seccomp EPERM|ENOSYS io_uring_setup|io_uring_enter|io_uring_register program args...
   or pidfd_send_signal; or io_uring_use, which is an io_uring_enter that submits or waits, so that
   a ring is opened before it is refused.
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
    {"pidfd_send_signal", __NR_pidfd_send_signal, false},
};

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
  for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
    bool same = calls[i].number == calls[refused].number; /* errno_of uses all arguments */
    if ((errno_of(calls[i].number) == ENODATA) != same) _exit(1);
  }
  _exit(0);
}

static int test(void) {
  int worst = 0;
  for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
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

int main(int argc, char **argv) {
  if (argc == 1) return test();
  size_t i = 0;
  int err = argc > 3 && strcmp(argv[1], "EPERM") == 0 ? EPERM : ENOSYS;
  while (argc > 3 && i < sizeof calls / sizeof calls[0] && strcmp(argv[2], calls[i].name) != 0) i++;
  if (argc <= 3 || i == sizeof calls / sizeof calls[0]) {
    fputs("usage: seccomp EPERM|ENOSYS system-call program args...\n", stderr);
    return 2;
  }
  if (refuse(i, err) != 0) {
    perror("seccomp");
    return 77;
  }
  execvp(argv[3], argv + 3);
  perror(argv[3]);
  return 127;
}
