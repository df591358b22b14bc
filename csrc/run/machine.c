/* Owns nothing; allocates nothing, so that it still answers when memory or descriptors are short.
   Sources: proc(5), capabilities(7), user_namespaces(7), and the sysctls of Linux 6.6
   (Documentation/admin-guide/sysctl/kernel.rst). */
#include "run/machine.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/number.h"

enum { TEXT_MAX = 8192, GROUPS_MAX = 1024 };

/* The start of a file as text; empty when it cannot be read. */
static void read_text(const char *path, char text[TEXT_MAX]) {
  text[0] = 0;
  int fd = kio_number_own(open(path, O_RDONLY | O_CLOEXEC));
  if (fd < 0) return;
  ssize_t size = read(fd, text, TEXT_MAX - 1);
  text[size > 0 ? size : 0] = 0;
  kio_number_close(fd);
}

static long read_number(const char *path) {
  char text[TEXT_MAX], *end;
  read_text(path, text);
  long value = strtol(text, &end, 10);
  return end == text ? KIO_UNKNOWN : value;
}

/* The text after "name:" at the start of a line; NULL when there is none. */
static const char *field(const char *text, const char *name) {
  size_t size = strlen(name);
  for (const char *line = text; line; line = strchr(line, '\n')) {
    if (*line == '\n') line++;
    if (strncmp(line, name, size) == 0 && line[size] == ':') return line + size + 1;
  }
  return NULL;
}

static long number_field(const char *text, const char *name) {
  const char *value = field(text, name);
  return value ? strtol(value, NULL, 10) : KIO_UNKNOWN;
}

/* A capability counts for io_uring only outside of user namespaces: there the map of user ids is
   the whole range onto itself. */
static bool in_first_namespace(void) {
  char text[TEXT_MAX];
  unsigned long inside = 1, outside = 1, count = 0;
  read_text("/proc/self/uid_map", text);
  return sscanf(text, "%lu %lu %lu", &inside, &outside, &count) == 3 && inside == 0 &&
         outside == 0 && count == UINT32_MAX;
}

static void look_at_status(kio_machine *m) {
  char text[TEXT_MAX];
  read_text("/proc/self/status", text);
  m->seccomp = number_field(text, "Seccomp");
  m->no_new_privs = number_field(text, "NoNewPrivs");
  const char *effective = field(text, "CapEff");
  unsigned long long caps = effective ? strtoull(effective, NULL, 16) : 0;
  bool count = in_first_namespace();
  m->admin = count && caps >> CAP_SYS_ADMIN & 1;
  m->memlock_exempt = count && caps >> CAP_IPC_LOCK & 1;
}

static bool belongs_to(long group) {
  gid_t groups[GROUPS_MAX];
  if (group < 0) return false;
  int count = getgroups(GROUPS_MAX, groups);
  for (int i = 0; i < count; i++) {
    if ((long)groups[i] == group) return true;
  }
  return (long)getegid() == group;
}

static void look_at_policy(kio_machine *m) {
  m->uring_disabled = read_number("/proc/sys/kernel/io_uring_disabled");
  m->uring_group = read_number("/proc/sys/kernel/io_uring_group");
  m->in_group = belongs_to(m->uring_group);
}

static void look_at_kernel(kio_machine *m) {
  struct utsname name;
  int major, minor;
  if (uname(&name) != 0) return;
  snprintf(m->kernel, sizeof m->kernel, "%.*s", (int)sizeof m->kernel - 1, name.release);
  if (sscanf(name.release, "%d.%d", &major, &minor) == 2) m->version = major * 1000 + minor;
}

static void look_at_limit(int which, uint64_t *soft, uint64_t *hard) {
  struct rlimit limit;
  if (getrlimit((__rlimit_resource_t)which, &limit) != 0) return;
  *soft = limit.rlim_cur == RLIM_INFINITY ? KIO_UNLIMITED : limit.rlim_cur;
  *hard = limit.rlim_max == RLIM_INFINITY ? KIO_UNLIMITED : limit.rlim_max;
}

static int count_cpus(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
  return (int)sysconf(_SC_NPROCESSORS_ONLN); /* more processors than the set has room for */
}

/* A hint, no proof: what the usual runtimes leave to be seen from within. */
static const char *guess_container(void) {
  const char *named = getenv("container"); /* systemd's convention; LXC and Podman follow it */
  if (getenv("KUBERNETES_SERVICE_HOST")) return "kubernetes";
  if (access("/run/.containerenv", F_OK) == 0) return "podman";
  if (access("/.dockerenv", F_OK) == 0) return "docker";
  if (named && strcmp(named, "lxc") == 0) return "lxc";
  return named && *named ? "container" : NULL;
}

void kio_machine_look(kio_machine *m) {
  *m = (kio_machine){.memlock_soft = KIO_UNLIMITED, .memlock_hard = KIO_UNLIMITED};
  m->nofile_soft = m->nofile_hard = KIO_UNLIMITED;
  look_at_kernel(m);
  look_at_policy(m);
  look_at_status(m);
  look_at_limit(RLIMIT_MEMLOCK, &m->memlock_soft, &m->memlock_hard);
  look_at_limit(RLIMIT_NOFILE, &m->nofile_soft, &m->nofile_hard);
  m->cpus = count_cpus();
  m->container = guess_container();
}
