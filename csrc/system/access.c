/* Owns nothing. The order: owner first, since a change of it may take permissions away, then the
   ACL, which sets permissions too, then these. */
#include "system/access.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ACL "system.posix_acl_access"

enum { ACL_MAX = 4096 }; /* bytes: some 500 entries */

/* Whether its group is that of `was` now. */
static bool take_owner(int fd, const struct stat *is, const struct stat *was) {
  bool same = is->st_gid == was->st_gid;
  if (same && is->st_uid == was->st_uid) return true;
  if (fchown(fd, was->st_uid, was->st_gid) == 0) return true;
  return same || fchown(fd, (uid_t)-1, was->st_gid) == 0;
}

static bool is_without_acl(int err) {
  return err == ENODATA || err == EOPNOTSUPP;
}

/* Whether its ACL is that of `like` now, or neither has one: the directory's default may have given
   it some. Attributes of an O_PATH descriptor can be had by its name in /proc only. */
static bool take_acl(int fd, int like) {
  char name[32], acl[ACL_MAX];
  snprintf(name, sizeof name, "/proc/self/fd/%d", like);
  ssize_t size = getxattr(name, ACL, acl, sizeof acl);
  if (size >= 0) return fsetxattr(fd, ACL, acl, (size_t)size, 0) == 0;
  if (!is_without_acl(errno)) return false;
  return fremovexattr(fd, ACL) == 0 || is_without_acl(errno);
}

/* Nobody gains a right, whichever of the two classes he belongs to now. */
static mode_t narrowed(mode_t mode) {
  mode_t both = mode >> 3 & mode & 07;
  return (mode & 0700) | both << 3 | both;
}

int kio_access_set(int fd, int like, int mode) {
  struct stat is, was;
  bool same = true;
  if (fstat(fd, &is) != 0 || (like >= 0 && fstat(like, &was) != 0)) return -errno;
  if (like >= 0) same = take_owner(fd, &is, &was);
  if (mode == KIO_ACCESS_KEEP) return 0;
  mode_t wanted = (mode_t)mode;
  if (mode == KIO_ACCESS_LIKE) {
    kio_assert(like >= 0);
    wanted = was.st_mode & 0777; /* set-user-ID and its like are for what was there */
    if (!take_acl(fd, like) || !same) wanted = narrowed(wanted);
  }
  return fchmod(fd, wanted) == 0 ? 0 : -errno;
}
