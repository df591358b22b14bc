/* Calls that never wait, so the plain system call is the fastest way: making sockets and pipes,
   binding, options, addresses. They need no task. The constants of the raw operations are here. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/number.h"
#include "op/op.h"
#include "op/registry.h"
#include "system/address.h"
#include "system/socket.h"
#include "task/collect.h"
#include "task/here.h"
#include "task/io.h"
#include "task/traceback.h"

/* socket("tcp4" | "tcp6" | "udp4" | "udp6" | "unix" | "unixgram" | "seqpacket") -> fd */
static int l_socket(lua_State *L) {
  kio_takes(L, 1);
  kio_op_begin_plainly(L);
  static const char *const names[] = {"tcp4", "tcp6",     "udp4",      "udp6",
                                      "unix", "unixgram", "seqpacket", NULL};
  static const int kinds[][2] = {
      {AF_INET, SOCK_STREAM},    {AF_INET6, SOCK_STREAM}, {AF_INET, SOCK_DGRAM},
      {AF_INET6, SOCK_DGRAM},    {AF_UNIX, SOCK_STREAM},  {AF_UNIX, SOCK_DGRAM},
      {AF_UNIX, SOCK_SEQPACKET},
  };
  int i = luaL_checkoption(L, 1, NULL, names);
  int fd = socket(kinds[i][0], kinds[i][1] | SOCK_CLOEXEC, 0);
  if (fd < 0 && kio_collect(L, -errno, 1)) fd = socket(kinds[i][0], kinds[i][1] | SOCK_CLOEXEC, 0);
  if (fd < 0) return kio_fail(L, errno, "socket", names[i]);
  lua_pushinteger(L, fd);
  return 1;
}

static int push_pair(lua_State *L, const int fds[2]) {
  lua_pushinteger(L, fds[0]);
  lua_pushinteger(L, fds[1]);
  return 2;
}

/* pipe() -> reading fd, writing fd */
static int l_pipe(lua_State *L) {
  kio_takes(L, 0);
  kio_op_begin_plainly(L);
  int fds[2];
  int failed = pipe2(fds, O_CLOEXEC);
  if (failed && kio_collect(L, -errno, 2)) failed = pipe2(fds, O_CLOEXEC);
  if (failed) return kio_fail(L, errno, "pipe", "pair");
  return push_pair(L, fds);
}

/* socketpair(["stream" | "datagram" | "seqpacket"]) -> fd, fd: two Unix sockets, connected */
static int l_socketpair(lua_State *L) {
  kio_op_begin_plainly(L);
  static const char *const names[] = {"stream", "datagram", "seqpacket", NULL};
  static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
  int fds[2], type = types[luaL_checkoption(L, 1, "stream", names)] | SOCK_CLOEXEC;
  kio_takes(L, 1);
  int failed = socketpair(AF_UNIX, type, 0, fds);
  if (failed && kio_collect(L, -errno, 2)) failed = socketpair(AF_UNIX, type, 0, fds);
  if (failed) return kio_fail(L, errno, "socketpair", "unix");
  return push_pair(L, fds);
}

/* bind(fd, address) -> true */
static int l_bind(lua_State *L) {
  kio_takes(L, 2);
  kio_op_begin_plainly(L);
  kio_sockaddr address;
  int fd = kio_check_fd(L, 1);
  if (!kio_check_address(L, 2, "bind", &address)) return KIO_FAILED;
  if (bind(fd, &address.as.any, address.size) != 0) {
    return kio_fail(L, errno, "bind", lua_tostring(L, 2));
  }
  lua_pushboolean(L, true);
  return 1;
}

/* listen(fd [, backlog]) -> true */
static int l_listen(lua_State *L) {
  int fd = kio_check_fd(L, 1);
  kio_takes(L, 2);
  int backlog = lua_isnoneornil(L, 2) ? KIO_SOCKET_BACKLOG : kio_check_int(L, 2);
  if (listen(fd, backlog) != 0) return kio_fail_fd(L, errno, "listen", fd);
  lua_pushboolean(L, true);
  return 1;
}

typedef int (*name_fn)(int fd, struct sockaddr *address, socklen_t *size);

static int push_name(lua_State *L, name_fn name, const char *what) {
  kio_sockaddr address;
  int fd = kio_check_fd(L, 1);
  kio_takes(L, 1);
  kio_address_blank(&address);
  if (name(fd, &address.as.any, &address.size) != 0) return kio_fail_fd(L, errno, what, fd);
  return kio_push_address(L, &address);
}

static int get_local(int fd, struct sockaddr *address, socklen_t *size) {
  return getsockname(fd, address, size);
}

static int get_peer(int fd, struct sockaddr *address, socklen_t *size) {
  return getpeername(fd, address, size);
}

/* getsockname(fd) -> address */
static int l_getsockname(lua_State *L) {
  return push_name(L, get_local, "getsockname");
}

/* getpeername(fd) -> address */
static int l_getpeername(lua_State *L) {
  return push_name(L, get_peer, "getpeername");
}

/* lseek(fd, "set" | "cur" | "end" | "data" | "hole", offset) -> position */
static int l_lseek(lua_State *L) {
  static const char *const names[] = {"set", "cur", "end", "data", "hole", NULL};
  static const int whences[] = {SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA, SEEK_HOLE};
  int fd = kio_check_fd(L, 1);
  int whence = whences[luaL_checkoption(L, 2, "cur", names)];
  off_t at = lseek(fd, (off_t)luaL_optinteger(L, 3, 0), whence);
  if (at < 0) return kio_fail_fd(L, errno, "seek", fd);
  lua_pushinteger(L, at);
  return 1;
}

/* close_now(fd) -> true: the plain close(2), for where nobody can wait. */
static int l_close_now(lua_State *L) {
  int fd = kio_check_fd(L, 1);
  if (kio_sched_close_fd(fd) != 0) return kio_fail_fd(L, errno, "close", fd);
  lua_pushboolean(L, true);
  return 1;
}

/* unlink_now(dirfd, name) -> true: the plain unlinkat(2), for where nobody can wait. */
static int l_unlink_now(lua_State *L) {
  int dirfd = kio_check_fd(L, 1);
  const char *name = kio_check_path(L, 2);
  if (unlinkat(dirfd, name, 0) != 0) return kio_fail(L, errno, "unlink", name);
  lua_pushboolean(L, true);
  return 1;
}

/* random() -> 64 bits from the kernel, whatever the program's own generator is seeded with */
static int l_random(lua_State *L) {
  lua_Integer bits;
  ssize_t size;
  do size = getrandom(&bits, sizeof bits, 0);
  while (size < 0 && errno == EINTR);
  if (size != (ssize_t)sizeof bits) return luaL_error(L, "getrandom: %s", strerror(errno));
  lua_pushinteger(L, bits);
  return 1;
}

/* escape(text [, "name" | "text"]) -> what can be printed, on one line or several: see escape.h */
static int l_escape(lua_State *L) {
  static const char *const kinds[] = {"name", "text", NULL};
  int kind = luaL_checkoption(L, 2, "name", kinds);
  luaL_checkstring(L, 1);
  lua_settop(L, 1);
  kio_traceback_escape(L, (kio_escape_kind)kind);
  return 1;
}

/* inotify(path, mask) -> fd that tells of changes, see inotify(7) */
static int l_inotify(lua_State *L) {
  kio_op_begin_plainly(L);
  const char *path = kio_check_path(L, 1);
  uint32_t mask = (uint32_t)luaL_checkinteger(L, 2);
  int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  /* A user has few of them (fs.inotify.max_user_instances), which is EMFILE as well. */
  if (fd < 0 && kio_collect(L, -errno, 0)) fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (fd < 0) return kio_fail(L, errno, "watch", path);
  if (inotify_add_watch(fd, path, mask) < 0) {
    kio_fail(L, errno, "watch", path);
    kio_number_close(fd);
    return KIO_FAILED;
  }
  lua_pushinteger(L, fd);
  return 1;
}

/* name_fd(fd, ...) -> the same values, an integer with its tenant: what a handle written in Lua
   keeps, so that it cannot mean another descriptor when its number was closed. As good as a number
   for every operation. */
static int l_name_fd(lua_State *L) {
  if (!lua_isinteger(L, 1)) return lua_gettop(L);
  lua_pushinteger(L, kio_number_name(kio_check_fd(L, 1)));
  lua_replace(L, 1);
  return lua_gettop(L);
}

/* fd_of_name(name) -> its number; nil when it was closed */
static int l_fd_of_name(lua_State *L) {
  int fd = kio_check_fd(L, 1);
  return kio_push_fd(L, fd > KIO_NUMBER_MASK ? -1 : fd);
}

/* ---- constants ---- */

#define CONSTANT(name) \
  { #name, name }
static const struct {
  const char *name;
  lua_Integer value;
} constants[] = {
    CONSTANT(O_RDONLY),
    CONSTANT(O_WRONLY),
    CONSTANT(O_RDWR),
    CONSTANT(O_APPEND),
    CONSTANT(O_CREAT),
    CONSTANT(O_EXCL),
    CONSTANT(O_TRUNC),
    CONSTANT(O_DIRECTORY),
    CONSTANT(O_NOFOLLOW),
    CONSTANT(O_DIRECT),
    CONSTANT(O_SYNC),
    CONSTANT(O_DSYNC),
    CONSTANT(O_PATH),
    CONSTANT(O_TMPFILE),
    CONSTANT(O_NOATIME),
    CONSTANT(O_NONBLOCK),
    CONSTANT(AT_REMOVEDIR),
    CONSTANT(AT_SYMLINK_NOFOLLOW),
    CONSTANT(AT_EMPTY_PATH),
    CONSTANT(RENAME_NOREPLACE),
    CONSTANT(RENAME_EXCHANGE),
    CONSTANT(MSG_PEEK),
    CONSTANT(MSG_OOB),
    CONSTANT(MSG_WAITALL),
    CONSTANT(MSG_DONTWAIT),
    CONSTANT(MSG_TRUNC),
    CONSTANT(MSG_MORE),
    CONSTANT(MSG_CTRUNC),
    CONSTANT(MSG_NOSIGNAL),
    CONSTANT(FALLOC_FL_KEEP_SIZE),
    CONSTANT(FALLOC_FL_PUNCH_HOLE),
    CONSTANT(FALLOC_FL_ZERO_RANGE),
    CONSTANT(FALLOC_FL_COLLAPSE_RANGE),
};

void kio_constants_open(lua_State *L) {
  lua_createtable(L, 0, (int)KIO_COUNT(constants));
  for (size_t i = 0; i < KIO_COUNT(constants); i++) {
    lua_pushinteger(L, constants[i].value);
    lua_setfield(L, -2, constants[i].name);
  }
  lua_setfield(L, -2, "const");
}

/* finalizes() -> whether the collector has called the function that calls this */
static int l_finalizes(lua_State *L) {
  lua_pushboolean(L, kio_called_by_collector(L, 1));
  return 1;
}

const luaL_Reg kio_plain_ops[] = {
    {"socket", l_socket},           {"pipe", l_pipe},
    {"socketpair", l_socketpair},   {"bind", l_bind},
    {"listen", l_listen},           {"getsockname", l_getsockname},
    {"getpeername", l_getpeername}, {NULL, NULL},
};

const luaL_Reg kio_plain_own[] = {
    {"lseek", l_lseek},           {"close_now", l_close_now},
    {"finalizes", l_finalizes},   {"inotify", l_inotify},
    {"name_fd", l_name_fd},       {"fd_of_name", l_fd_of_name},
    {"unlink_now", l_unlink_now}, {"random", l_random},
    {"escape", l_escape},         {NULL, NULL},
};
