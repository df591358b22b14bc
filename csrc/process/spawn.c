/* Starting programs: what becomes their three descriptors, our ends of the pipes. Owns descriptors
   only until the child has them, or has failed. Called with a Lua state, in a task or not. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/errname.h"
#include "base/number.h"
#include "net/sockopt.h"
#include "net/stream_lua.h"
#include "op/misuse.h"
#include "op/op.h"
#include "process/process.h"
#include "task/collect.h"

enum {
  ARGV = 1,
  ENV,
  CWD,
  STDIO,
  DETACHED = STDIO + 3,
  CHILD,
  STREAMS,
  ARGP = STREAMS + 3,
  ENVP,
  WHY_MAX = 1024, /* bytes of the words about what has failed */
};

/* Three pipes, a folder, a pidfd, and what the C library takes meanwhile. */
enum { PROCESS_FDS = 10 };

/* What the child gets as one of its three descriptors. */
typedef struct stdio {
  int fd;    /* -1: none */
  int ours;  /* our end of a pipe; -1: none */
  bool made; /* fd is to be closed when the child has it */
} stdio;

static int open_pipe(stdio *s, bool input) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return -errno;
  s->fd = kio_number_own(ends[input ? 0 : 1]);
  s->ours = kio_number_own(ends[input ? 1 : 0]);
  s->made = true;
  /* Our end only: kernels before 6.4 would hold a thread for each write that waits. */
  return input && fcntl(s->ours, F_SETFL, O_WRONLY | O_NONBLOCK) != 0 ? -errno : 0;
}

/* Programs expect descriptors that wait. Ours need not be otherwise: the ring waits by itself. */
static int give(stdio *s, lua_Integer number) {
  int fd = kio_number_meant(number), flags = fcntl(fd, F_GETFL);
  if (flags < 0) return -errno;
  s->fd = fd;
  return flags & O_NONBLOCK && fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0 ? -errno : 0;
}

/* One of the three numbers themselves would be overwritten before it is given: it moves away. */
static int keep_clear(stdio *s, int slot) {
  if (s->fd < 0 || s->fd > 2 || s->fd == slot) return 0;
  int fd = kio_number_own(fcntl(s->fd, F_DUPFD_CLOEXEC, 3));
  if (fd < 0) return -errno;
  if (s->made) kio_number_close(s->fd);
  s->fd = fd;
  s->made = true;
  return 0;
}

static int open_stdio(lua_State *L, stdio *s, int slot, bool *merge) {
  const char *what =
      lua_type(L, STDIO + slot) == LUA_TSTRING ? lua_tostring(L, STDIO + slot) : NULL;
  *s = (stdio){.fd = -1, .ours = -1};
  if (!what) {
    int err = give(s, lua_tointeger(L, STDIO + slot));
    if (err) return err;
  } else if (strcmp(what, "inherit") == 0) {
    s->fd = fcntl(slot, F_GETFD) < 0 ? -1 : slot;
  } else if (strcmp(what, "null") == 0) {
    s->fd = kio_number_own(open("/dev/null", O_RDWR | O_CLOEXEC));
    if (s->fd < 0) return -errno;
    s->made = true;
  } else if (strcmp(what, "stdout") == 0) {
    *merge = true;
  } else {
    int err = open_pipe(s, slot == 0);
    if (err) return err;
  }
  return keep_clear(s, slot);
}

static void close_given(stdio *all) {
  for (int i = 0; i < 3; i++) {
    if (all[i].made) kio_number_close(all[i].fd);
    all[i].made = false;
  }
}

/* Our ends become streams, which own them from now on. */
static int make_streams(lua_State *L, stdio *all) {
  kio_sockaddr nobody = {.size = 0};
  for (int i = 0; i < 3; i++) {
    if (all[i].ours < 0) continue;
    kio_stream_handle *h = lua_touserdata(L, STREAMS + i);
    h->stream = kio_stream_new(all[i].ours, &nobody, kio_carrier_of(all[i].ours));
    if (!h->stream) return -ENOMEM;
    all[i].ours = -1;
  }
  return 0;
}

/* It came to nothing. */
static void undo(lua_State *L, stdio *all) {
  close_given(all);
  for (int i = 0; i < 3; i++) {
    kio_stream_handle *h = lua_touserdata(L, STREAMS + i);
    if (h->stream) kio_stream_drop(h->stream);
    h->stream = NULL;
    if (all[i].ours >= 0) kio_number_close(all[i].ours);
  }
}

/* Makes what the plan gives away: 0, or -errno at *step. */
static int open_all(lua_State *L, stdio *all, kio_child_plan *plan, kio_child_step *step) {
  int err = 0;
  for (int i = 0; i < 3; i++) all[i] = (stdio){.fd = -1, .ours = -1};
  for (int i = 0; i < 3 && !err; i++) {
    *step = (kio_child_step)(KIO_CHILD_GIVE + i);
    err = open_stdio(L, &all[i], i, &plan->merge);
    plan->fds[i] = all[i].fd;
  }
  if (err) return err;
  *step = KIO_CHILD_MAKE;
  err = make_streams(L, all);
  if (err || !plan->folder) return err;
  *step = KIO_CHILD_FOLDER;
  plan->cwd = kio_number_own(open(plan->folder, O_PATH | O_DIRECTORY | O_CLOEXEC));
  return plan->cwd < 0 ? -errno : 0;
}

/* Where execvp(3) looks, too. */
static const char *search_path(const char *file) {
  if (strchr(file, '/')) return NULL;
  const char *path = getenv("PATH");
  return path ? path : "/bin:/usr/bin";
}

/* 0, or the errno that `why` explains; *in_folder: it is about the folder to start in. */
static int start(lua_State *L, kio_process *c, stdio *all, char why[WHY_MAX], bool *in_folder) {
  kio_child_step step;
  kio_child_plan plan = {.argv = lua_touserdata(L, ARGP),
                         .envp = lua_touserdata(L, ENVP),
                         .folder = lua_tostring(L, CWD),
                         .cwd = -1,
                         .detached = lua_toboolean(L, DETACHED)};
  plan.file = plan.argv[0];
  plan.path = search_path(plan.file);
  c->detached = plan.detached;
  int err = open_all(L, all, &plan, &step);
  if (!err) err = kio_child_start(&plan, &c->pid, &c->pidfd, &step);
  if (err) kio_child_why(&plan, step, -err, why, WHY_MAX);
  *in_folder = step == KIO_CHILD_FOLDER;
  if (plan.cwd >= 0) kio_number_close(plan.cwd);
  return -err;
}

/* Pushes a NULL-ended array of the strings in the list at `index`, which keeps them. */
static void push_strings(lua_State *L, int index) {
  lua_Integer count = (lua_Integer)lua_rawlen(L, index);
  char **list = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *list, 0);
  for (lua_Integer i = 0; i < count; i++) {
    luaL_argcheck(L, lua_rawgeti(L, index, i + 1) == LUA_TSTRING, index, "strings expected");
    list[i] = (char *)(uintptr_t)lua_tostring(L, -1); /* exec(3) does not write there */
    lua_pop(L, 1);
  }
  list[count] = NULL;
}

/* Numbers in place of the handles among the three: asked for only now, for finalizers may have
   closed some since. */
static void resolve_handles(lua_State *L) {
  static const char *const names[] = {"stdin", "stdout", "stderr"};
  for (int slot = STDIO; slot < STDIO + 3; slot++) {
    if (!lua_isuserdata(L, slot)) continue;
    int fd = kio_handle_fd(L, slot);
    const char *text = "kio.process: option '%s' was closed before the program started";
    if (fd < 0) kio_misuse(L, lua_pushfstring(L, text, names[slot - STDIO]));
    lua_pushinteger(L, fd);
    lua_replace(L, slot);
  }
}

/* process_spawn(argv, env, cwd | nil, stdin, stdout, stderr, detached) -> child, pid, three
   streams, false where there is none; argv and env are lists of strings. What becomes each
   descriptor: "pipe", "inherit", "null", "stdout", a number, or a handle. The arguments have been
   checked. */
int kio_process_spawn(lua_State *L) {
  stdio all[3];
  char why[WHY_MAX];
  bool in_folder;
  kio_op_begin_plainly(L);
  luaL_checktype(L, ARGV, LUA_TTABLE);
  luaL_argcheck(L, lua_rawlen(L, ARGV) > 0, ARGV, "a command expected");
  luaL_checktype(L, ENV, LUA_TTABLE);
  lua_settop(L, DETACHED);
  kio_process *c = lua_newuserdatauv(L, sizeof *c, 1);
  *c = (kio_process){.pidfd = -1};
  luaL_setmetatable(L, KIO_PROCESS_TYPE);
  for (int i = 0; i < 3; i++) kio_stream_push_empty(L);
  push_strings(L, ARGV);
  push_strings(L, ENV);
  resolve_handles(L);
  int err = start(L, c, all, why, &in_folder);
  if (kio_collect(L, -err, PROCESS_FDS)) {
    undo(L, all);
    err = start(L, c, all, why, &in_folder);
  }
  const char *command = ((char **)lua_touserdata(L, ARGP))[0];
  if (err) {
    undo(L, all);
    if (in_folder) command = lua_pushfstring(L, "%s in %s", command, lua_tostring(L, CWD));
    return kio_fail_text(L, kio_errname(err), "spawn", command, why);
  }
  close_given(all);
  lua_pushfstring(L, "%s (pid %d)", command, (int)c->pid);
  lua_setiuservalue(L, CHILD, 1);
  lua_settop(L, ARGP - 1);
  for (int i = 0; i < 3; i++) {
    if (((kio_stream_handle *)lua_touserdata(L, STREAMS + i))->stream) continue;
    lua_pushboolean(L, false);
    lua_replace(L, STREAMS + i);
  }
  lua_pushinteger(L, c->pid);
  lua_insert(L, CHILD + 1);
  return 5;
}
