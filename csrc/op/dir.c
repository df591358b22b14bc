/* Calls on names, and on what is open, that io_uring has no operation for. In a task each runs on a
   thread of the pool; outside it is the plain system call. Both do the same work on the same
   struct: it owns the names, descriptors of its own (whoever asked may close his before a thread
   comes to it) and what has been found, and whoever holds it frees it. For users:
   lua/types/kio/own.d.lua. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/number.h"
#include "op/offload.h"
#include "op/registry.h"
#include "system/access.h"
#include "task/collect.h"
#include "task/task.h"

#define PLAIN_TYPE "kio.PlainCall"

typedef struct text {
  char *bytes; /* NULL: nothing yet */
  size_t size; /* bytes in use */
  size_t room; /* bytes there are */
} text;

typedef struct dir_op {
  const struct dir_op_kind *kind;
  int err;    /* 0, or why it failed; set by the work */
  int mode;   /* of chmod and access_set */
  int fd;     /* -1: it is about `path`; else about this, and that is its name */
  int like;   /* of access_set; -1: none */
  text found; /* by the work, on whichever thread */
  const char *path;
} dir_op;

static void free_op(void *self) {
  dir_op *op = self;
  if (op->fd >= 0) kio_number_close(op->fd);
  if (op->like >= 0) kio_number_close(op->like);
  op->fd = op->like = -1;
  kio_memory_free(op->found.bytes);
  op->found.bytes = NULL;
}

typedef struct dir_op_kind {
  const char *name; /* of the operation */
  void (*work)(dir_op *op);
  int (*push)(lua_State *L, const dir_op *op); /* the results of one that has not failed */
} dir_op_kind;

/* ---- the work, on any thread ---- */

static bool append(text *t, const char *bytes, size_t size) {
  if (t->room - t->size < size) {
    size_t room = t->room * 2 + size + 256;
    char *grown = kio_memory_resize(t->bytes, room);
    if (!grown) return false;
    t->bytes = grown;
    t->room = room;
  }
  memcpy(t->bytes + t->size, bytes, size);
  t->size += size;
  return true;
}

/* Some filesystems leave the type out of the entry: then the entry itself is asked. */
static mode_t type_of(DIR *dir, const struct dirent *entry) {
  struct stat st;
  if (entry->d_type != DT_UNKNOWN) return (mode_t)DTTOIF(entry->d_type);
  bool there = fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0;
  return there ? st.st_mode : 0;
}

static bool is_dots(const char *name) {
  return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* An entry is its type's bits, then its name with the zero byte. */
static bool append_entry(text *t, DIR *dir, const struct dirent *entry) {
  mode_t type = type_of(dir, entry);
  return append(t, (const char *)&type, sizeof type) &&
         append(t, entry->d_name, strlen(entry->d_name) + 1);
}

/* A descriptor's own place in the directory is nobody's but its owner's. */
static DIR *open_directory(const dir_op *op) {
  if (op->fd < 0) return opendir(op->path);
  int fd = openat(op->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *dir = fd < 0 ? NULL : fdopendir(fd);
  if (fd >= 0 && !dir) close(fd);
  return dir;
}

static void work_readdir(dir_op *op) {
  const struct dirent *entry;
  DIR *dir = open_directory(op);
  if (!dir) {
    op->err = errno;
    return;
  }
  kio_number_own(dirfd(dir)); /* beside tasks that close what they like */
  while ((void)(errno = 0), (entry = readdir(dir))) {
    if (is_dots(entry->d_name) || append_entry(&op->found, dir, entry)) continue;
    errno = ENOMEM;
    break;
  }
  op->err = errno;
  kio_number_vacate(dirfd(dir));
  closedir(dir);
}

static void work_readlink(dir_op *op) {
  char target[PATH_MAX];
  bool open = op->fd >= 0;
  ssize_t size = readlinkat(open ? op->fd : AT_FDCWD, open ? "" : op->path, target, sizeof target);
  if (size < 0) op->err = errno;
  else if (!append(&op->found, target, (size_t)size)) op->err = ENOMEM;
}

static void work_realpath(dir_op *op) {
  char resolved[PATH_MAX];
  if (!realpath(op->path, resolved)) op->err = errno;
  else if (!append(&op->found, resolved, strlen(resolved))) op->err = ENOMEM;
}

static void work_chmod(dir_op *op) {
  if (chmod(op->path, (mode_t)op->mode) != 0) op->err = errno;
}

static void work_access_set(dir_op *op) {
  op->err = -kio_access_set(op->fd, op->like, op->mode);
}

/* ---- results ---- */

static int push_done(lua_State *L, const dir_op *op) {
  (void)op;
  lua_pushboolean(L, true);
  return 1;
}

static int push_text(lua_State *L, const dir_op *op) {
  lua_pushlstring(L, op->found.bytes, op->found.size);
  return 1;
}

static void push_entry(lua_State *L, const char *name, mode_t type) {
  lua_createtable(L, 0, 2);
  kio_set_text(L, "name", name);
  kio_set_text(L, "type", kio_file_type_name(type));
}

static int push_entries(lua_State *L, const dir_op *op) {
  lua_Integer count = 0;
  mode_t type;
  lua_newtable(L);
  for (size_t at = 0; at < op->found.size;) {
    memcpy(&type, op->found.bytes + at, sizeof type);
    const char *name = op->found.bytes + at + sizeof type;
    push_entry(L, name, type);
    lua_rawseti(L, -2, ++count);
    at += sizeof type + strlen(name) + 1;
  }
  return 1;
}

static int push_outcome(lua_State *L, const dir_op *op, int err) {
  if (err) return kio_fail(L, err, op->kind->name, op->path);
  return op->kind->push(L, op);
}

/* ---- in a task: on the pool ---- */

typedef struct dir_offload {
  kio_offloaded offload;
  dir_op op;
} dir_offload;

static void offload_work(kio_job *job, kio_local *local) {
  dir_offload *d = (dir_offload *)(void *)job;
  (void)local;
  d->op.kind->work(&d->op);
}

static void offload_free(kio_job *job) {
  dir_offload *d = (dir_offload *)(void *)job;
  free_op(&d->op);
  kio_memory_free(d);
}

static int offload_donek(lua_State *L, int status, lua_KContext ctx) {
  dir_offload *d = (dir_offload *)ctx; /* NOLINT: it was one when it went down */
  (void)status;
  int err = kio_offload_result(L, &d->offload);
  if (!err && !d->offload.again && kio_collect(L, -d->op.err, 1)) {
    d->op.err = 0;
    return kio_offload_again(L, &d->offload, offload_donek);
  }
  int count = push_outcome(L, &d->op, err ? err : d->op.err);
  kio_offload_end(&d->offload);
  return count;
}

static int copy_of(int fd) {
  int copy = kio_number_own(fcntl(fd, F_DUPFD_CLOEXEC, 3));
  return copy >= 0 ? copy : -errno;
}

/* A copy of its own of fd in *own, when there is one; 0 or -errno. */
static int own_descriptor(lua_State *L, int fd, int *own) {
  if (fd < 0) return 0;
  *own = copy_of(fd);
  if (*own < 0 && kio_collect(L, *own, 1)) *own = copy_of(fd);
  return *own < 0 ? *own : 0;
}

static int offload(lua_State *L, const dir_op *what, int64_t timeout_ns) {
  kio_task *task = kio_op_begin(L);
  const dir_op_kind *kind = what->kind;
  const char *path = what->path;
  size_t size = strlen(path) + 1;
  dir_offload *d = kio_offload_new(L, task,
                                   &(kio_offload_kind){.name = kind->name,
                                                       .subject = path,
                                                       .size = sizeof *d + size,
                                                       .work = offload_work,
                                                       .free = offload_free,
                                                       .lane = KIO_LANE_INTERNAL});
  if (!d) return KIO_FAILED;
  d->op = *what;
  d->op.path = memcpy(d + 1, path, size);
  d->op.fd = d->op.like = -1;
  int err = own_descriptor(L, what->fd, &d->op.fd);
  if (!err) err = own_descriptor(L, what->like, &d->op.like);
  if (err) {
    kio_offload_end(&d->offload);
    return kio_fail(L, -err, kind->name, path);
  }
  return kio_offload_submit(L, task, &d->offload, timeout_ns, offload_donek);
}

/* ---- outside: at once ---- */

const kio_type kio_dir_op_type = {.name = PLAIN_TYPE, .end = free_op};

/* It lies in a userdata, so that an error in between does not lose what was found. */
static int do_at_once(lua_State *L, const dir_op *what) {
  dir_op *op = lua_newuserdatauv(L, sizeof *op, 0);
  *op = *what;
  luaL_setmetatable(L, PLAIN_TYPE);
  op->kind->work(op);
  if (kio_collect(L, -op->err, 1)) {
    op->err = 0;
    op->kind->work(op);
  }
  return push_outcome(L, op, op->err);
}

static int run(lua_State *L, const dir_op_kind *kind, int mode, int options) {
  const char *path = kio_check_path(L, 1);
  int64_t timeout = kio_op_timeout(L, options);
  dir_op op = {.kind = kind, .mode = mode, .fd = -1, .like = -1, .path = path};
  return kio_op_in_task() ? offload(L, &op, timeout) : do_at_once(L, &op);
}

/* ---- the functions ---- */

/* readdir(path [, options]) -> list of { name, type }, in no order, without "." and ".." */
static int l_readdir(lua_State *L) {
  static const dir_op_kind kind = {"readdir", work_readdir, push_entries};
  return run(L, &kind, 0, 2);
}

/* readlink(path [, options]) -> target */
static int l_readlink(lua_State *L) {
  static const dir_op_kind kind = {"readlink", work_readlink, push_text};
  return run(L, &kind, 0, 2);
}

/* realpath(path [, options]) -> the absolute path without links */
static int l_realpath(lua_State *L) {
  static const dir_op_kind kind = {"realpath", work_realpath, push_text};
  return run(L, &kind, 0, 2);
}

/* chmod(path, mode [, options]) -> true */
static int l_chmod(lua_State *L) {
  static const dir_op_kind kind = {"chmod", work_chmod, push_done};
  return run(L, &kind, kio_check_int(L, 2), 3);
}

/* The same about a descriptor that a task has; the name at index 2 is for messages. */
static int run_open(lua_State *L, const dir_op_kind *kind, int like, int mode) {
  int fd = kio_check_fd(L, 1);
  dir_op op = {.kind = kind, .mode = mode, .fd = fd, .like = like, .path = kio_check_path(L, 2)};
  return offload(L, &op, KIO_NEVER);
}

/* readdir_open(fd, path) -> as readdir */
static int l_readdir_open(lua_State *L) {
  static const dir_op_kind kind = {"readdir", work_readdir, push_entries};
  return run_open(L, &kind, -1, 0);
}

/* readlink_open(fd, path) -> where the link leads that fd itself is (O_PATH | O_NOFOLLOW) */
static int l_readlink_open(lua_State *L) {
  static const dir_op_kind kind = {"readlink", work_readlink, push_text};
  return run_open(L, &kind, -1, 0);
}

/* access_set(fd, path, like | nil, mode | "like" | "keep") -> true; see access.h */
static int l_access_set(lua_State *L) {
  static const char *const words[] = {"like", "keep", NULL};
  static const int modes[] = {KIO_ACCESS_LIKE, KIO_ACCESS_KEEP};
  static const dir_op_kind kind = {"chmod", work_access_set, push_done};
  int like = lua_isnil(L, 3) ? -1 : kio_check_fd(L, 3);
  int mode = lua_isinteger(L, 4) ? kio_check_int(L, 4) : modes[luaL_checkoption(L, 4, NULL, words)];
  luaL_argcheck(L, like >= 0 || mode != KIO_ACCESS_LIKE, 4, "like what?");
  return run_open(L, &kind, like, mode);
}

const luaL_Reg kio_dir_own[] = {
    {"readdir", l_readdir},           {"readlink", l_readlink},
    {"realpath", l_realpath},         {"chmod", l_chmod},
    {"readdir_open", l_readdir_open}, {"readlink_open", l_readlink_open},
    {"access_set", l_access_set},     {NULL, NULL},
};
