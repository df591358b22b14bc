/* Starting programs; the pipes to them. Owns a folder's descriptor until the child is in it; what
   becomes the child's three is Lua's (lua/kio/process/stdio.lua). Called with a Lua state, in a
   task or not. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
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
#include "thread/child_wait.h"

enum {
  ARGV = 1,
  ENV,
  CWD,
  STDIO,
  DETACHED = STDIO + 3,
  CHILD,
  ARGP,
  ENVP,
  WHY_MAX = 1024, /* bytes of the words about what has failed */
};

/* A folder, a pidfd or two in its place, two for each that the child moves or opens, what the C
   library takes. */
enum { PROCESS_FDS = 8 };

/* ---- what it gets ---- */

/* Opens the pipe whose other end is the child's: `input` tells that we write. 0 or an errno. */
static int open_pipe(int ends[2], bool input) {
  if (pipe2(ends, O_CLOEXEC) != 0) return errno;
  kio_number_own(ends[0]);
  kio_number_own(ends[1]);
  /* Our end only: kernels before 6.4 would hold a thread for each write that waits. */
  return input && fcntl(ends[1], F_SETFL, O_WRONLY | O_NONBLOCK) != 0 ? errno : 0;
}

/* process_pipe(input) -> the child's end, a stream on ours */
int kio_process_pipe(lua_State *L) {
  int ends[2] = {-1, -1};
  bool input = lua_toboolean(L, 1);
  kio_sockaddr nobody = {.size = 0};
  kio_stream_push_empty(L);
  kio_stream_handle *h = lua_touserdata(L, -1);
  int err = open_pipe(ends, input);
  if (kio_collect(L, -err, 2)) err = open_pipe(ends, input);
  if (!err) h->stream = kio_stream_new(ends[input], &nobody, kio_carrier_of(ends[input]));
  if (!h->stream) {
    for (int i = 0; i < 2; i++) {
      if (ends[i] >= 0) kio_number_close(ends[i]);
    }
    return kio_fail(L, err ? err : ENOMEM, "pipe", "pair");
  }
  lua_pushinteger(L, kio_number_name(ends[!input]));
  lua_insert(L, -2);
  return 2;
}

static int raise_closed(lua_State *L, const char *name) {
  const char *text = "kio.process: option '%s' was closed before the program started";
  return kio_misuse(L, lua_pushfstring(L, text, name));
}

/* process_give(number or handle, option) -> its name. Programs expect descriptors that wait. Ours
   need not be otherwise: the ring waits by itself. */
int kio_process_give(lua_State *L) {
  int fd = kio_handle_fd(L, 1);
  if (fd < 0) return raise_closed(L, luaL_checkstring(L, 2));
  int flags = fcntl(fd, F_GETFL);
  bool given =
      flags >= 0 && (!(flags & O_NONBLOCK) || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == 0);
  if (!given) return kio_fail_fd(L, errno, "give", fd);
  lua_pushinteger(L, kio_number_name(fd));
  return 1;
}

/* ---- its start ---- */

/* Where execvp(3) looks, too. */
static const char *search_path(const char *file) {
  if (strchr(file, '/')) return NULL;
  const char *path = getenv("PATH");
  return path ? path : "/bin:/usr/bin";
}

/* The folder to start in: 0 or -errno. */
static int open_folder(kio_child_plan *plan) {
  if (plan->folder)
    plan->cwd = kio_number_own(open(plan->folder, O_PATH | O_DIRECTORY | O_CLOEXEC));
  return plan->folder && plan->cwd < 0 ? -errno : 0;
}

/* Where there are no pidfds: what is polled for its end. Without that the child is ended. 0 or
   -errno. */
static int watch_end(kio_child *child) {
  kio_child_end end;
  if (!child->by_pid) return 0;
  int fd = kio_child_wait_open(child->pid);
  if (fd >= 0) {
    child->fd = fd;
    return 0;
  }
  kio_child_signal(child, SIGKILL); /* fails only when it has ended */
  kio_child_reap_now(child, &end);
  return fd;
}

static int start_child(const kio_child_plan *plan, kio_child *child, kio_child_step *step) {
  int err = kio_child_start(plan, child, step);
  if (err) return err;
  *step = KIO_CHILD_MAKE;
  err = watch_end(child);
  if (err) *child = (kio_child){.fd = -1};
  return err;
}

/* 0, or the errno that `why` explains; *in_folder: it is about the folder to start in. */
static int start(lua_State *L, kio_process *c, char why[WHY_MAX], bool *in_folder) {
  kio_child_step step = KIO_CHILD_FOLDER;
  kio_child_plan plan = {.argv = lua_touserdata(L, ARGP),
                         .envp = lua_touserdata(L, ENVP),
                         .folder = lua_tostring(L, CWD),
                         .cwd = -1,
                         .detached = lua_toboolean(L, DETACHED)};
  plan.file = plan.argv[0];
  plan.path = search_path(plan.file);
  for (int i = 0; i < 3; i++) plan.fds[i] = kio_number_meant(lua_tointeger(L, STDIO + i));
  c->detached = plan.detached;
  int err = open_folder(&plan);
  if (!err) err = start_child(&plan, &c->child, &step);
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

/* Finalizers may have closed some since they were given. */
static void check_given(lua_State *L) {
  static const char *const names[] = {"stdin", "stdout", "stderr"};
  for (int i = 0; i < 3; i++) {
    int fd = kio_number_meant(lua_tointeger(L, STDIO + i));
    if (fd >= 0 && (fd & ~KIO_NUMBER_MASK) == KIO_NUMBER_GONE) raise_closed(L, names[i]);
  }
}

/* process_spawn(argv, env, cwd | nil, stdin, stdout, stderr, detached) -> child, pid; argv and env
   are lists of strings. What becomes each descriptor: a number or a name; below 0: /dev/null. The
   arguments have been checked. */
int kio_process_spawn(lua_State *L) {
  char why[WHY_MAX];
  bool in_folder;
  kio_op_begin_plainly(L);
  luaL_checktype(L, ARGV, LUA_TTABLE);
  luaL_argcheck(L, lua_rawlen(L, ARGV) > 0, ARGV, "a command expected");
  luaL_checktype(L, ENV, LUA_TTABLE);
  lua_settop(L, DETACHED);
  kio_process *c = lua_newuserdatauv(L, sizeof *c, 1);
  *c = (kio_process){.child.fd = -1};
  luaL_setmetatable(L, KIO_PROCESS_TYPE);
  push_strings(L, ARGV);
  push_strings(L, ENV);
  check_given(L);
  int err = start(L, c, why, &in_folder);
  if (kio_collect(L, -err, PROCESS_FDS)) err = start(L, c, why, &in_folder);
  const char *command = ((char **)lua_touserdata(L, ARGP))[0];
  if (err) {
    if (in_folder) command = lua_pushfstring(L, "%s in %s", command, lua_tostring(L, CWD));
    return kio_fail_text(L, kio_errname(err), "spawn", command, why);
  }
  lua_pushfstring(L, "%s (pid %d)", command, (int)c->child.pid);
  lua_setiuservalue(L, CHILD, 1);
  lua_settop(L, CHILD);
  lua_pushinteger(L, c->child.pid);
  return 2;
}
