/* Operations on names: open, unlink, mkdir, rename, symlink, stat. The path is copied into the
   request's buffer, so that it lives as long as the kernel may read it. `dirfd` nil means the
   working directory (AT_FDCWD of openat(2)). Called in a task, but for symlink. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "op/op.h"
#include "op/registry.h"
#include "system/newer.h"
#include "task/task.h"

static int check_dirfd(lua_State *L, int index) {
  return lua_isnil(L, index) ? AT_FDCWD : kio_check_fd(L, index);
}

/* In the request's buffer there is room for what statx brings (with openat a backend may have to
   look what it is), and then copies of the names. */
static int submit(lua_State *L, kio_op op, int fd, kio_arg_path arg, int64_t timeout_ns,
                  lua_KFunction k) {
  size_t out = sizeof(struct statx), size = strlen(arg.name) + 1;
  size_t size2 = arg.name2 ? strlen(arg.name2) + 1 : 0;
  kio_request *request = kio_op_start(L, op, fd);
  if (request) request->arg.path = (kio_arg_path){0}; /* a failure names no name yet */
  if (!request || !kio_op_buffer(L, request, out + size + size2)) return KIO_FAILED;
  arg.name = memcpy(request->buffer.data + out, arg.name, size);
  if (arg.name2) arg.name2 = memcpy(request->buffer.data + out + size, arg.name2, size2);
  request->arg.path = arg;
  return kio_op_submit(L, request, timeout_ns, k);
}

/* openat(dirfd, path, flags [, mode [, options]]) -> fd */
static int l_openat(lua_State *L) {
  int dirfd = check_dirfd(L, 1);
  const char *path = kio_check_path(L, 2);
  int flags = kio_check_int(L, 3);
  int mode = lua_isnoneornil(L, 4) ? 0666 : kio_check_int(L, 4);
  kio_arg_path arg = {.name = path, .flags = (unsigned)(flags | O_CLOEXEC), .mode = (unsigned)mode};
  return submit(L, KIO_OP_OPENAT, dirfd, arg, kio_op_timeout(L, 5), kio_op_countk);
}

/* open_below(dirfd, path [, options]) -> fd: to be read, without waiting for a fifo's other end.
   What leads out of that directory is not opened, nor what only looks like a link. */
static int l_open_below(lua_State *L) {
  int dirfd = kio_check_fd(L, 1);
  kio_arg_path arg = {
      .name = kio_check_path(L, 2),
      .flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
      .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
  };
  return submit(L, KIO_OP_OPENAT, dirfd, arg, kio_op_timeout(L, 3), kio_op_countk);
}

/* unlinkat(dirfd, path [, flags [, options]]) -> true */
static int l_unlinkat(lua_State *L) {
  int dirfd = check_dirfd(L, 1);
  const char *path = kio_check_path(L, 2);
  int flags = lua_isnoneornil(L, 3) ? 0 : kio_check_int(L, 3);
  kio_arg_path arg = {.name = path, .flags = (unsigned)flags};
  return submit(L, KIO_OP_UNLINKAT, dirfd, arg, kio_op_timeout(L, 4), kio_op_donek);
}

/* mkdirat(dirfd, path [, mode [, options]]) -> true */
static int l_mkdirat(lua_State *L) {
  int dirfd = check_dirfd(L, 1);
  const char *path = kio_check_path(L, 2);
  int mode = lua_isnoneornil(L, 3) ? 0777 : kio_check_int(L, 3);
  kio_arg_path arg = {.name = path, .mode = (unsigned)mode};
  return submit(L, KIO_OP_MKDIRAT, dirfd, arg, kio_op_timeout(L, 4), kio_op_donek);
}

/* renameat(dirfd, path, dirfd2, path2 [, flags [, options]]) -> true */
static int l_renameat(lua_State *L) {
  int dirfd = check_dirfd(L, 1);
  const char *path = kio_check_path(L, 2);
  int dirfd2 = check_dirfd(L, 3);
  const char *path2 = kio_check_path(L, 4);
  int flags = lua_isnoneornil(L, 5) ? 0 : kio_check_int(L, 5);
  kio_arg_path arg = {.name = path, .fd2 = dirfd2, .name2 = path2, .flags = (unsigned)flags};
  return submit(L, KIO_OP_RENAMEAT, dirfd, arg, kio_op_timeout(L, 6), kio_op_donek);
}

/* symlink(target, path [, options]) -> true; outside a task it is the plain call */
static int l_symlink(lua_State *L) {
  const char *target = kio_check_path(L, 1), *path = kio_check_path(L, 2);
  int64_t timeout = kio_op_timeout(L, 3);
  if (!kio_op_in_task()) {
    if (symlink(target, path) != 0) return kio_fail(L, errno, "symlink", path);
    lua_pushboolean(L, true);
    return 1;
  }
  kio_arg_path arg = {.name = path, .name2 = target};
  return submit(L, KIO_OP_SYMLINKAT, AT_FDCWD, arg, timeout, kio_op_donek);
}

/* ---- statx ---- */

static void set_count(lua_State *L, const char *name, uint64_t value) {
  kio_set_integer(L, name, (lua_Integer)value);
}

/* Rounded down where a double would round to the next second. */
static lua_Number seconds_of(struct statx_timestamp time) {
  lua_Number second = (lua_Number)time.tv_sec, next = second + 1;
  lua_Number seconds = second + (lua_Number)time.tv_nsec / 1e9;
  return seconds < next ? seconds : nextafter(next, second);
}

/* Seconds as `name`, and exactly, in nanoseconds, as `exact`: none when they do not fit. */
static void set_time(lua_State *L, const char *name, const char *exact,
                     struct statx_timestamp time) {
  int64_t ns;
  bool fits = !__builtin_mul_overflow(time.tv_sec, KIO_NS_PER_SEC, &ns) &&
              !__builtin_add_overflow(ns, (int64_t)time.tv_nsec, &ns);
  kio_set_number(L, name, seconds_of(time));
  if (fits) kio_set_integer(L, exact, ns);
}

const char *kio_file_type_name(unsigned mode) {
  switch (mode & S_IFMT) {
  case S_IFREG: return "file";
  case S_IFDIR: return "directory";
  case S_IFLNK: return "link";
  case S_IFIFO: return "fifo";
  case S_IFSOCK: return "socket";
  case S_IFCHR: return "char";
  case S_IFBLK: return "block";
  default: return "unknown";
  }
}

/* What direct input and output must keep to: fields of statx(2) that came with Linux 6.1, after the
   headers of some systems. */
enum { STATX_DIO = 0x2000, DIO_FIELDS = 0x98 };

static void set_direct(lua_State *L, const struct statx *st) {
  uint32_t align[2]; /* of memory, and of offsets and sizes; 0: there is no direct access */
  if (!(st->stx_mask & STATX_DIO)) return;
  memcpy(align, (const char *)st + DIO_FIELDS, sizeof align);
  set_count(L, "direct_memory", align[0]);
  set_count(L, "direct_offset", align[1]);
}

static int l_statxk(lua_State *L, int status, lua_KContext ctx) {
  kio_request *request = kio_op_result(ctx);
  (void)status;
  if (request->result < 0) return kio_op_failed(L, request);
  const struct statx *st = kio_request_statx(request);
  lua_createtable(L, 0, 18);
  kio_set_text(L, "type", kio_file_type_name(st->stx_mode));
  set_count(L, "mode", st->stx_mode & 07777);
  set_count(L, "size", st->stx_size);
  set_count(L, "blocks", st->stx_blocks);
  set_count(L, "blksize", st->stx_blksize);
  set_count(L, "nlink", st->stx_nlink);
  set_count(L, "uid", st->stx_uid);
  set_count(L, "gid", st->stx_gid);
  set_count(L, "ino", st->stx_ino);
  set_count(L, "dev", (uint64_t)st->stx_dev_major << 32 | st->stx_dev_minor);
  set_time(L, "atime", "atime_ns", st->stx_atime);
  set_time(L, "mtime", "mtime_ns", st->stx_mtime);
  set_time(L, "ctime", "ctime_ns", st->stx_ctime);
  if (st->stx_mask & STATX_BTIME) set_time(L, "btime", "btime_ns", st->stx_btime);
  set_direct(L, st);
  kio_op_release(request);
  return 1;
}

/* statx(dirfd, path [, flags [, options]]) -> table; path "" with AT_EMPTY_PATH: dirfd itself */
static int l_statx(lua_State *L) {
  int dirfd = check_dirfd(L, 1);
  const char *path = kio_check_path(L, 2);
  int flags = lua_isnoneornil(L, 3) ? 0 : kio_check_int(L, 3);
  unsigned mask = STATX_BASIC_STATS | STATX_BTIME | STATX_DIO;
  kio_arg_path arg = {.name = path, .flags = (unsigned)flags, .mode = mask};
  return submit(L, KIO_OP_STATX, dirfd, arg, kio_op_timeout(L, 4), l_statxk);
}

const luaL_Reg kio_path_ops[] = {
    {"openat", l_openat},     {"unlinkat", l_unlinkat}, {"mkdirat", l_mkdirat},
    {"renameat", l_renameat}, {"statx", l_statx},       {NULL, NULL},
};

const luaL_Reg kio_path_own[] = {
    {"symlink", l_symlink},
    {"open_below", l_open_below},
    {NULL, NULL},
};
