/* The verdicts about machines this one is not: each errno with the facts that tell its causes
   apart. The facts of this machine are the business of spec/run/check. */
#include <errno.h>
#include <string.h>

#include "run/diagnose.h"

static const kio_ring_config usual = {.entries = 256, .cq_entries = 4096, .sqpoll_ms = -1};
static int failures;

/* A machine without any obstacle. */
static kio_machine healthy(void) {
  return (kio_machine){
      .kernel = "6.18.0-test",
      .version = 6018,
      .uring_group = KIO_UNKNOWN,
      .memlock_soft = 8 << 20,
      .memlock_hard = 16 << 20,
      .nofile_soft = 1024,
      .nofile_hard = 4096,
      .cpus = 2,
  };
}

/* The verdict must contain each of the words, in its cause or its cure, and none after "not". */
static void expect(int line, kio_machine m, int err, const char *cause, const char *cure,
                   const char *never) {
  kio_diagnosis d;
  kio_diagnose(&m, err, &usual, &d);
  bool good = strstr(d.cause, cause) && strstr(d.cure, cure);
  if (never && (strstr(d.cause, never) || strstr(d.cure, never))) good = false;
  if (strlen(d.cause) == sizeof d.cause - 1 || strlen(d.cure) == sizeof d.cure - 1) good = false;
  if (good) return;
  printf("line %d: cause: %s; cure: %s\n", line, d.cause, d.cure);
  failures++;
}
#define EXPECT(...) expect(__LINE__, __VA_ARGS__)

static void missing(void) {
  kio_machine m = healthy();
  EXPECT(m, ENOSYS, "built without io_uring", "6.1 or newer", "seccomp");
  m.seccomp = 2;
  EXPECT(m, ENOSYS, "seccomp filter of this process answers ENOSYS", "io_uring_enter", "built");
  strcpy(m.kernel, "4.19.0");
  m.version = 4019;
  EXPECT(m, ENOSYS, "Linux 4.19.0, is older than 5.1", "6.1 or newer", "seccomp");
}

static void forbidden(void) {
  kio_machine m = healthy();
  EXPECT(m, EPERM, "security module", "dmesg", "seccomp filter");
  EXPECT(m, EACCES, "security module", "dmesg", "seccomp filter");
  m.seccomp = 2;
  EXPECT(m, EPERM, "seccomp filter of this process answers EPERM", "io_uring_setup", "sysctl -w");
  EXPECT(m, EACCES, "seccomp filter of this process answers EACCES", "profile", "sysctl -w");
  m.container = "docker";
  EXPECT(m, EPERM, "run in docker", "docs/install.md", "sysctl -w");
  m.uring_disabled = 2;
  EXPECT(m, EPERM, "io_uring_disabled is 2", "io_uring_disabled=0", "seccomp");
  m.uring_disabled = 1;
  EXPECT(m, EPERM, "io_uring_disabled is 1", "io_uring_group=", "seccomp");
  m.in_group = true;
  EXPECT(m, EPERM, "seccomp filter", "profile", "sysctl -w");
  m.in_group = false, m.admin = true;
  EXPECT(m, EPERM, "seccomp filter", "profile", "sysctl -w");
}

static void short_of_something(void) {
  kio_machine m = healthy();
  EXPECT(m, ENOMEM, "RLIMIT_MEMLOCK is 8192 KiB (hard limit 16384 KiB)", "memlock=-1", NULL);
  EXPECT(m, ENOMEM, "a ring of 256 entries takes 84 KiB", "fewer", NULL);
  EXPECT(m, EMFILE, "RLIMIT_NOFILE is 1024 (hard limit 4096)", "ulimit -n", NULL);
  EXPECT(m, ENFILE, "fs.file-max", "fs.file-max", NULL);
  m.version = 6001; /* rings were not charged then */
  EXPECT(m, ENOMEM, "locked memory is not what is short", "free memory", "RLIMIT");
  m.version = 6018, m.memlock_exempt = true;
  EXPECT(m, ENOMEM, "locked memory is not what is short", "free memory", "RLIMIT");
  m.memlock_exempt = false, m.memlock_soft = m.memlock_hard = KIO_UNLIMITED;
  EXPECT(m, ENOMEM, "locked memory is not what is short", "free memory", "RLIMIT");
}

static void not_understood(void) {
  kio_machine m = healthy();
  EXPECT(m, EINVAL, "accepts none of the setups", "without options", NULL);
  strcpy(m.kernel, "5.4.0");
  m.version = 5004;
  EXPECT(m, EINVAL, "Linux 5.4.0, is older than 5.6", "6.1 or newer", NULL);
  EXPECT(m, EIO, "Input/output error", "io_uring_setup(2)", NULL);
}

static void facts(void) {
  kio_machine m;
  kio_machine_look(&m);
  if (m.version >= 3000 && m.cpus > 0 && m.seccomp != KIO_UNKNOWN) return;
  printf("facts of this machine: version %d, %d cpus, seccomp %ld\n", m.version, m.cpus, m.seccomp);
  failures++;
}

int main(void) {
  missing();
  forbidden();
  short_of_something();
  not_understood();
  facts();
  return failures > 0;
}
