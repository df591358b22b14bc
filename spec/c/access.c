/* Who may read a file that takes another one's place: the same as before, never more. As root also
   what somebody else may do about owner and group. */
#include "system/access.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "check.h"

#define ACL "system.posix_acl_access"

static char folder[] = "/tmp/kio-access-XXXXXX";

static int make(const char *name, mode_t mode) {
  char path[64];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  unlink(path);
  int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  CHECK(fd >= 0 && fchmod(fd, mode) == 0);
  return fd;
}

static int held(const char *name) {
  char path[64];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  CHECK(fd >= 0);
  return fd;
}

static mode_t mode_of(int fd) {
  struct stat st;
  CHECK(fstat(fd, &st) == 0);
  return st.st_mode & 07777;
}

static void permissions(void) {
  int old = make("old", 06751), like = held("old"), new = make("new", 0600);
  CHECK(kio_access_set(new, -1, 0642) == 0 && mode_of(new) == 0642);
  CHECK(kio_access_set(new, like, KIO_ACCESS_KEEP) == 0 && mode_of(new) == 0642);
  CHECK(kio_access_set(new, like, KIO_ACCESS_LIKE) == 0 && mode_of(new) == 0751);
  CHECK(kio_access_set(new, like, 0604) == 0 && mode_of(new) == 0604);
  CHECK(kio_access_set(-1, like, 0604) == -EBADF);
  close(old);
  close(like);
  close(new);
}

/* user::rw- user:1234:rw- group::--- mask::rw- other::--- as the kernel has it: see acl(5) and
   linux/posix_acl_xattr.h */
static size_t make_acl(char *acl) {
  static const struct {
    uint16_t tag, perm;
    uint32_t id;
  } entries[] = {{1, 6, ~0U}, {2, 6, 1234}, {4, 0, ~0U}, {16, 6, ~0U}, {32, 0, ~0U}};
  uint32_t version = 2;
  memcpy(acl, &version, sizeof version);
  memcpy(acl + sizeof version, entries, sizeof entries);
  return sizeof version + sizeof entries;
}

/* Its bits for the group are the ACL's mask: without the ACL they would let the group in. */
static void acls(void) {
  char acl[64], got[64];
  size_t size = make_acl(acl);
  int old = make("old", 0600), new = make("new", 0600), like = held("old");
  if (fsetxattr(old, ACL, acl, size, 0) == 0) {
    CHECK(mode_of(old) == 0660);
    CHECK(kio_access_set(new, like, KIO_ACCESS_LIKE) == 0 && mode_of(new) == 0660);
    CHECK(fgetxattr(new, ACL, got, sizeof got) == (ssize_t)size && memcmp(acl, got, size) == 0);
    CHECK(fremovexattr(old, ACL) == 0 && fchmod(old, 0640) == 0); /* and back: as by a default */
    CHECK(kio_access_set(new, like, KIO_ACCESS_LIKE) == 0 && mode_of(new) == 0640);
    CHECK(fgetxattr(new, ACL, got, sizeof got) < 0);
  } else {
    puts("no ACLs on this filesystem");
  }
  close(old);
  close(new);
  close(like);
}

static void owners(void) {
  struct stat st;
  int old = make("old", 0664), like = held("old"), new = make("new", 0600);
  CHECK(fchown(old, 1234, 4321) == 0);
  CHECK(kio_access_set(new, like, KIO_ACCESS_LIKE) == 0 && fstat(new, &st) == 0);
  CHECK(st.st_uid == 1234 && st.st_gid == 4321 && mode_of(new) == 0664);
  close(new);
  new = make("new", 0600);
  CHECK(fchown(new, 555, 555) == 0);
  setfsgid(555); /* somebody who is in neither group */
  setfsuid(555);
  int err = kio_access_set(new, like, KIO_ACCESS_LIKE);
  setfsuid(0);
  setfsgid(0);
  CHECK(err == 0 && fstat(new, &st) == 0);
  CHECK(st.st_uid == 555);
  CHECK(st.st_gid == 4321 ? mode_of(new) == 0664 : mode_of(new) == 0644);
  close(old);
  close(new);
  close(like);
}

int main(void) {
  CHECK(mkdtemp(folder));
  umask(0);
  permissions();
  acls();
  if (geteuid() == 0) owners();
  else puts("only root may give files away");
  CHECK(chdir(folder) == 0);
  unlink("old");
  unlink("new");
  CHECK(rmdir(folder) == 0);
  return 0;
}
