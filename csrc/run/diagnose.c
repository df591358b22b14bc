/* Owns nothing: a decision table from errno and facts to words. The facts come as an argument, so
   that a spec can ask about machines it does not run on. What each errno may mean:
   io_uring_setup(2), and docs/rationale.md. */
#include "run/diagnose.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/errname.h"

enum {
  LINUX_FIRST = 5001,     /* io_uring_setup(2) appeared */
  LINUX_FLAGS = 5006,     /* the flags kio never goes without: CLAMP, CQSIZE */
  LINUX_UNCHARGED = 5012, /* from here to before LINUX_CHARGED rings were free of memlock */
  LINUX_CHARGED = 6014,
};

#define PROFILE                                                                   \
  "add io_uring_setup, io_uring_enter and io_uring_register to what its seccomp " \
  "profile allows (docs/install.md has a minimal profile)"

__attribute__((format(printf, 2, 3))) static void say(char text[480], const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(text, 480, format, args);
  va_end(args);
}

static bool filtered(const kio_machine *m) {
  return m->seccomp == 2;
}

static void blame_filter(const kio_machine *m, int err, kio_diagnosis *out) {
  say(out->cause, "the seccomp filter of this process answers %s to io_uring%s%s", kio_errname(err),
      m->container ? "; it seems to run in " : "", m->container ? m->container : "");
  say(out->cure, "%s " PROFILE,
      m->container ? "run the container with a profile of yours:"
                   : "ask who starts this process to");
}

/* ---- one function for each errno ---- */

static void not_there(const kio_machine *m, kio_diagnosis *out) {
  if (m->version > 0 && m->version < LINUX_FIRST) {
    say(out->cause, "this kernel, Linux %s, is older than 5.1 and has no io_uring", m->kernel);
    say(out->cure, "run on Linux 6.1 or newer");
  } else if (filtered(m)) {
    blame_filter(m, ENOSYS, out);
  } else {
    say(out->cause,
        "this kernel, Linux %s, was built without io_uring (CONFIG_IO_URING), or a "
        "sandbox that stands in for a kernel (gVisor) lacks it",
        m->kernel);
    say(out->cure, "run on a kernel with io_uring, 6.1 or newer, outside of such a sandbox");
  }
}

/* The sysctl is asked before seccomp: when both refuse, it is what must be changed first. */
static bool sysctl_refuses(const kio_machine *m) {
  if (m->uring_disabled == 2) return true;
  return m->uring_disabled == 1 && !m->admin && !m->in_group;
}

static void blame_sysctl(const kio_machine *m, kio_diagnosis *out) {
  if (m->uring_disabled == 2) {
    say(out->cause, "sysctl kernel.io_uring_disabled is 2: nobody on this machine may use "
                    "io_uring, not even root");
    say(out->cure, "as root on the host: sysctl -w kernel.io_uring_disabled=0");
    return;
  }
  say(out->cause,
      "sysctl kernel.io_uring_disabled is 1 and this process has neither "
      "CAP_SYS_ADMIN nor the group of sysctl kernel.io_uring_group (%ld)",
      m->uring_group);
  say(out->cure,
      "as root on the host: sysctl -w kernel.io_uring_group=%ld (a group of this "
      "process), or sysctl -w kernel.io_uring_disabled=0",
      (long)getegid());
}

static void not_allowed(const kio_machine *m, int err, kio_diagnosis *out) {
  if (err == EPERM && sysctl_refuses(m)) {
    blame_sysctl(m, out);
  } else if (filtered(m)) {
    blame_filter(m, err, out);
  } else {
    say(out->cause,
        "neither sysctl kernel.io_uring_disabled (%ld) nor seccomp refuses io_uring "
        "here, so a security module (SELinux, AppArmor) or a sandbox does",
        m->uring_disabled);
    say(out->cure, "look for the denial in the kernel's log (dmesg, the audit log) and allow "
                   "io_uring there");
  }
}

uint64_t kio_diagnose_ring_size(const kio_ring_config *config) {
  enum { PAGE = 4096, SQE = 64, CQE = 16, INDEX = 4, HEAD = 320 };
  uint64_t entries = config->entries, cq_entries = config->cq_entries;
  if (cq_entries < entries) cq_entries = entries * 2;
  uint64_t queue = HEAD + cq_entries * CQE + entries * INDEX;
  return (entries * SQE + PAGE - 1) / PAGE * PAGE + (queue + PAGE - 1) / PAGE * PAGE;
}

bool kio_diagnose_charged(const kio_machine *m) {
  bool free_of_it = m->version >= LINUX_UNCHARGED && m->version < LINUX_CHARGED;
  return !free_of_it && !m->memlock_exempt && m->memlock_soft != KIO_UNLIMITED;
}

static void no_memory(const kio_machine *m, const kio_ring_config *config, kio_diagnosis *out) {
  char hard[32] = "unlimited";
  if (m->memlock_hard != KIO_UNLIMITED) {
    snprintf(hard, sizeof hard, "%llu KiB", (unsigned long long)m->memlock_hard / 1024);
  }
  if (kio_diagnose_charged(m)) {
    say(out->cause,
        "the locked memory of this user is used up: RLIMIT_MEMLOCK is %llu KiB (hard "
        "limit %s) for all its processes together, and a ring of %u entries takes "
        "%llu KiB",
        (unsigned long long)m->memlock_soft / 1024, hard, config->entries,
        (unsigned long long)kio_diagnose_ring_size(config) / 1024);
    say(out->cure, "raise it (ulimit -l, LimitMEMLOCK= in a systemd unit, --ulimit memlock=-1 for "
                   "a container), or run with fewer `entries` and `cq_entries`");
  } else {
    say(out->cause,
        "no memory for a ring of %u entries (%llu KiB): the machine, its control group "
        "or this process's address space (ulimit -v) has none left; locked memory is "
        "not what is short",
        config->entries, (unsigned long long)kio_diagnose_ring_size(config) / 1024);
    say(out->cure, "free memory, or raise that limit");
  }
}

static void no_descriptor(const kio_machine *m, kio_diagnosis *out) {
  say(out->cause,
      "this process has as many open descriptors as it may: RLIMIT_NOFILE is %llu "
      "(hard limit %llu)",
      (unsigned long long)m->nofile_soft, (unsigned long long)m->nofile_hard);
  say(out->cure, "close some, or raise it (ulimit -n, LimitNOFILE= in a systemd unit, --ulimit "
                 "nofile=N for a container)");
}

static void not_understood(const kio_machine *m, const kio_ring_config *config,
                           kio_diagnosis *out) {
  if (m->version > 0 && m->version < LINUX_FLAGS) {
    say(out->cause,
        "this kernel, Linux %s, is older than 5.6 and does not know the setup flags "
        "kio needs",
        m->kernel);
    say(out->cure, "run on Linux 6.1 or newer");
    return;
  }
  say(out->cause,
      "this kernel, Linux %s, accepts none of the setups kio knows with entries=%u "
      "cq_entries=%u%s",
      m->kernel, config->entries, config->cq_entries, config->sqpoll_ms >= 0 ? " and sqpoll" : "");
  say(out->cure, "run on Linux 6.1 or newer, without options of the ring");
}

void kio_diagnose(const kio_machine *m, int err, const kio_ring_config *config,
                  kio_diagnosis *out) {
  switch (err) {
  case ENOSYS: not_there(m, out); break;
  case EPERM:
  case EACCES: not_allowed(m, err, out); break;
  case ENOMEM: no_memory(m, config, out); break;
  case EMFILE: no_descriptor(m, out); break;
  case ENFILE:
    say(out->cause, "the whole machine has as many open files as it may (sysctl fs.file-max)");
    say(out->cure, "as root on the host: raise fs.file-max, or end what holds them");
    break;
  case EINVAL: not_understood(m, config, out); break;
  default:
    say(out->cause, "the kernel refuses a ring: %s", strerror(err));
    say(out->cure, "see io_uring_setup(2)");
  }
}
