/* Runs a program under seccomp filters that refuse system calls, as container profiles do:
     seccomp ERROR CALL,... program args...
   The error is EPERM, EINVAL, EACCES, ENOSYS or ENFILE, the calls are those below. What an older
   kernel has not:
     io_uring_use   an io_uring_enter that submits or waits: the ring is opened before it is refused
     pidfd          waiting for a pidfd, and making one with a process (Linux before 5.4)
     linux-4.18     all calls that came after that version, and the two above
   Without arguments it tests itself: each call is refused, and the others are not. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Since Linux 5.1 all machines have the same numbers for what is new, and these are beyond all that
   were before. */
enum { FIRST_AFTER_4_18 = 424, P_PIDFD_TYPE = 3, CLONE_PIDFD_FLAG = 0x1000 };

#define ARGUMENT(n) offsetof(struct seccomp_data, args[n])
#define LOAD(what) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, what)
#define LOAD_CALL LOAD(offsetof(struct seccomp_data, nr))
#define IF(test, value, then, otherwise) \
  BPF_JUMP(BPF_JMP | (test) | BPF_K, (unsigned)(value), then, otherwise)
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define REFUSE(err) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)(err))

typedef struct sock_filter rule;

static int install(rule *rules, size_t count) {
  struct sock_fprog filter = {(unsigned short)count, rules};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0);
}

static int refuse_call(unsigned number, int err) {
  rule rules[] = {LOAD_CALL, IF(BPF_JEQ, number, 0, 1), REFUSE(err), ALLOW};
  return install(rules, sizeof rules / sizeof rules[0]);
}

/* When its second or third argument is not 0. */
static int refuse_use(unsigned number, int err) {
  rule rules[] = {
      LOAD_CALL,         IF(BPF_JEQ, number, 0, 5), LOAD(ARGUMENT(1)), IF(BPF_JEQ, 0, 0, 2),
      LOAD(ARGUMENT(2)), IF(BPF_JEQ, 0, 1, 0),      REFUSE(err),       ALLOW,
  };
  return install(rules, sizeof rules / sizeof rules[0]);
}

/* A kernel that does not know the flag of clone(2) ignores it; here it is an error to ask. */
static int refuse_pidfds(unsigned number, int err) {
  (void)number;
  rule rules[] = {
      LOAD_CALL,
      IF(BPF_JEQ, __NR_waitid, 0, 3),
      LOAD(ARGUMENT(0)),
      IF(BPF_JEQ, P_PIDFD_TYPE, 0, 1),
      REFUSE(err),
      LOAD_CALL,
      IF(BPF_JEQ, __NR_clone, 0, 3),
      LOAD(ARGUMENT(0)),
      IF(BPF_JSET, CLONE_PIDFD_FLAG, 0, 1),
      REFUSE(err),
      ALLOW,
  };
  return install(rules, sizeof rules / sizeof rules[0]);
}

static int refuse_younger(unsigned number, int err) {
  rule rules[] = {LOAD_CALL, IF(BPF_JGE, number, 0, 1), REFUSE(err), ALLOW};
  if (refuse_pidfds(0, EINVAL) != 0) return -1;
  return install(rules, sizeof rules / sizeof rules[0]);
}

static const struct {
  const char *name;
  unsigned number;
  int (*refuse)(unsigned number, int err);
} calls[] = {
    {"io_uring_setup", __NR_io_uring_setup, refuse_call},
    {"io_uring_enter", __NR_io_uring_enter, refuse_call},
    {"io_uring_register", __NR_io_uring_register, refuse_call},
    {"pidfd_send_signal", __NR_pidfd_send_signal, refuse_call},
    {"openat2", __NR_openat2, refuse_call},
    {"close_range", __NR_close_range, refuse_call},
    {"epoll_create1", __NR_epoll_create1, refuse_call},
    {"epoll_pwait2", __NR_epoll_pwait2, refuse_call},
    {"socket", __NR_socket, refuse_call},
    {"socketpair", __NR_socketpair, refuse_call},
    {"pipe2", __NR_pipe2, refuse_call},
    {"inotify_init1", __NR_inotify_init1, refuse_call},
    {"io_uring_use", __NR_io_uring_enter, refuse_use},
    {"pidfd", __NR_waitid, refuse_pidfds},
    {"linux-4.18", FIRST_AFTER_4_18, refuse_younger},
};
enum { COUNT = sizeof calls / sizeof calls[0] };

static const struct {
  const char *name;
  int number;
} errors[] = {{"ENOSYS", ENOSYS},
              {"EPERM", EPERM},
              {"EACCES", EACCES},
              {"EINVAL", EINVAL},
              {"ENFILE", ENFILE}};
enum { ERRORS = sizeof errors / sizeof errors[0] };

/* ---- the test ---- */

/* Whether a call with arguments that are always wrong, but for the first, is refused. */
static bool is_refused(unsigned number, long first) {
  return syscall((long)number, first, -1, -1, -1, -1, -1) < 0 && errno == ENODATA;
}

static bool is_right(size_t refused) {
  bool younger = calls[refused].refuse == refuse_younger;
  for (size_t i = 0; i < COUNT; i++) {
    if (calls[i].refuse == refuse_pidfds) continue;
    bool same = calls[i].number == calls[refused].number; /* is_refused uses all arguments */
    bool gone = same || (younger && calls[i].number >= FIRST_AFTER_4_18);
    if (is_refused(calls[i].number, -1) != gone) return false;
  }
  bool pidfds = calls[refused].refuse == refuse_pidfds;
  return is_refused(__NR_waitid, P_PIDFD_TYPE) == pidfds && !is_refused(__NR_waitid, P_PID) &&
         !is_refused(__NR_statx, -1) &&
         is_refused(__NR_clone, CLONE_PIDFD_FLAG | CLONE_FS | CLONE_NEWNS) == pidfds;
}

static int test(void) {
  int worst = 0;
  for (size_t i = 0; i < COUNT; i++) {
    int status;
    pid_t pid = fork();
    if (pid == 0 && calls[i].refuse(calls[i].number, ENODATA) != 0) _exit(77);
    if (pid == 0) _exit(!is_right(i));
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) return 1;
    if (WEXITSTATUS(status) == 77) puts("seccomp filters cannot be installed here");
    else if (WEXITSTATUS(status) != 0) printf("the filter of %s is wrong\n", calls[i].name);
    if (WEXITSTATUS(status) > worst) worst = WEXITSTATUS(status);
  }
  return worst;
}

/* ---- the launcher ---- */

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
    if (calls[i].refuse(calls[i].number, err) != 0) {
      perror("seccomp");
      return 77;
    }
  }
  return 0;
}

int main(int argc, char **argv) {
  size_t e = 0;
  if (argc == 1) return test();
  while (argc > 3 && e < ERRORS && strcmp(argv[1], errors[e].name) != 0) e++;
  if (argc <= 3 || e == ERRORS) {
    fputs("usage: seccomp EPERM|EACCES|EINVAL|ENOSYS|ENFILE call,... program args...\n", stderr);
    return 2;
  }
  int status = refuse_all(argv[2], errors[e].number);
  if (status != 0) return status;
  execvp(argv[3], argv + 3);
  perror(argv[3]);
  return 127;
}
