/* Names that the headers of old systems lack. Whoever uses a new call has another way where the
   kernel does not know it. Any thread may call. */
#ifndef KIO_SYSTEM_NEWER_H
#define KIO_SYSTEM_NEWER_H

#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* Since Linux 5.1 a new call has the same number on all machines that we know. */
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424 /* 5.1 */
#endif
#ifndef SYS_close_range
#define SYS_close_range 436 /* 5.9 */
#endif
#ifndef SYS_openat2
#define SYS_openat2 437 /* 5.6 */
#endif
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441 /* 5.11 */
#endif

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000 /* 5.2 */
#endif
#ifndef P_PIDFD
#define P_PIDFD 3 /* 5.4; where it is there, an enumerator of the same value */
#endif

#if __has_include(<linux/openat2.h>)
#include <linux/openat2.h>
#else
struct open_how {
  uint64_t flags;
  uint64_t mode;
  uint64_t resolve;
};
#endif
#ifndef RESOLVE_BENEATH
#define RESOLVE_NO_MAGICLINKS 0x02 /* 5.6 */
#define RESOLVE_BENEATH 0x08
#endif
#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED 0x20 /* 5.12 */
#endif

/* gettid(2), which glibc has since 2.30. */
static inline pid_t kio_gettid(void) {
  return (pid_t)syscall(SYS_gettid);
}

#endif
