/* kio.runtime: workers for programs that are not run by kio.run: started, used from Lua without a
   loop and stopped by hand. The calling thread is none of the workers; while it waits for an answer
   it sleeps in poll(2) on an inbox of its own. Invariant: a handle has a runtime until stopped. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/config.h"
#include "base/errname.h"
#include "base/log.h"
#include "codec/pack.h"
#include "op/op.h"
#include "op/registry.h"
#include "run/options.h"
#include "run/worker.h"
#include "task/collect.h"
#include "task/here.h"
#include "worker/call_out.h"

#define RUNTIME_TYPE "kio.Runtime"

typedef struct handle {
  kio_runtime *runtime; /* NULL: stopped */
  kio_inbox *inbox;     /* where answers to this thread go */
  int64_t shutdown_ns;  /* how long stopping may take, unless told */
  pid_t pid;            /* the process whose threads they are */
  bool keep;            /* a worker that fails does not end the others */
} handle;

static handle *check_handle(lua_State *L) {
  handle *h = luaL_checkudata(L, 1, RUNTIME_TYPE);
  if (h->runtime && h->pid != getpid()) {
    luaL_error(L, "the runtime's threads are in the parent process, and this is a child");
  }
  return h;
}

static handle *check_running(lua_State *L) {
  handle *h = check_handle(L);
  if (!h->runtime) luaL_error(L, "the runtime has been stopped");
  return h;
}

/* ---- start ---- */

static int start(lua_State *L, handle *h, kio_options *options) {
  int err;
  char failure[KIO_FAILURE_MAX];
  kio_worker_plan plan = {.config = options->sched};
  kio_assert(!h->runtime);
  options->runtime.main = kio_worker_main;
  options->runtime.context = &plan;
  h->inbox = kio_inbox_new(&err);
  if (!h->inbox) return kio_fail(L, -err, "kio.runtime start:", "no inbox");
  h->runtime = kio_runtime_new(&options->runtime, &err, failure);
  if (!h->runtime) return kio_fail_text(L, kio_errname(-err), "kio.runtime", "start", failure);
  snprintf(failure, sizeof failure, "not enough memory for the workers");
  err = kio_seed_init(&plan.seed, L) ? kio_runtime_start(h->runtime, failure) : -ENOMEM;
  kio_seed_fini(&plan.seed);
  return err ? kio_fail_text(L, kio_errname(-err), "kio.runtime", "start", failure) : 0;
}

/* Whether a worker has failed that must not, and which. */
static bool take_failures(handle *h, char failure[KIO_FAILURE_MAX]) {
  while (kio_runtime_failed(h->runtime, failure)) {
    if (!h->keep) return true;
    kio_log_always("%s", failure);
  }
  return false;
}

/* True: something went wrong, and `text` tells what. */
static bool stop(handle *h, int64_t timeout_ns, char text[KIO_FAILURE_MAX]) {
  int64_t until = kio_after_ns(kio_real_now_ns(), timeout_ns);
  char late[KIO_FAILURE_MAX - 32];
  kio_assert(h->runtime && h->pid == getpid());
  bool failed = kio_runtime_end(h->runtime, until, late, sizeof late);
  if (failed) snprintf(text, KIO_FAILURE_MAX, "did not end in time: %s", late);
  else failed = take_failures(h, text);
  kio_runtime_unref(h->runtime);
  h->runtime = NULL;
  return failed;
}

/* runtime(record) -> runtime | nil, message, code */
static int l_runtime(lua_State *L) {
  kio_options options;
  char text[KIO_FAILURE_MAX];
  kio_options_read(L, 1, &options);
  handle *h = lua_newuserdatauv(L, sizeof *h, 0);
  *h = (handle){.shutdown_ns = options.sched.shutdown_ns, .pid = getpid(), .keep = options.keep};
  luaL_setmetatable(L, RUNTIME_TYPE);
  int failed = start(L, h, &options);
  if (failed && kio_collect_threads(L, options.runtime.threads)) {
    if (h->runtime) stop(h, h->shutdown_ns, text);
    kio_inbox_unref(h->inbox);
    lua_pop(L, failed);
    failed = start(L, h, &options);
  }
  if (failed && h->runtime) stop(h, h->shutdown_ns, text);
  return failed ? failed : 1;
}

/* ---- asking and waiting ---- */

static void take_answers(handle *h) {
  kio_post *post = kio_inbox_take(h->inbox);
  while (post) {
    kio_post *next = post->next;
    post->arrive(post, NULL);
    post = next;
  }
}

/* The interpreter's handler for Ctrl-C asks by a hook on the main coroutine that the program stops.
   No other hook looks at everything. */
static lua_State *interrupted(lua_State *L) {
  const int all = LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT;
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  lua_State *main = lua_tothread(L, -1);
  lua_pop(L, 1);
  return lua_gethookmask(main) == all && lua_gethookcount(main) == 1 ? main : NULL;
}

/* Sleeps until something is posted. False: a signal came first, or Ctrl-C had come before, unless
   that is known. SIGINT is let through in ppoll alone: one between the look and the sleep would not
   end the sleep. */
static bool sleep_for_post(lua_State *L, handle *h, bool known) {
  uint64_t count;
  sigset_t interrupt, before;
  struct pollfd look = {.fd = kio_inbox_fd(h->inbox), .events = POLLIN};
  if (!kio_inbox_sleep(h->inbox)) return true;
  sigemptyset(&interrupt);
  sigaddset(&interrupt, SIGINT);
  pthread_sigmask(SIG_BLOCK, &interrupt, &before);
  bool came = (!known && interrupted(L)) || ppoll(&look, 1, NULL, &before) < 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return !came && (read(look.fd, &count, sizeof count) > 0 || errno != EINTR);
}

/* Waits until the function has ended. Ctrl-C cancels it, and is raised when it has unwound. */
static void await_answer(lua_State *L, handle *h, kio_call_out *out) {
  lua_State *asked = NULL;
  bool begun = true;
  while (take_answers(h), begun && !out->await.arrived) {
    if (sleep_for_post(L, h, asked) || !(asked = interrupted(L))) continue;
    begun = !kio_call_out_give_up(out);
  }
  kio_assert(asked || out->await.arrived);
  if (!asked) return;
  lua_sethook(asked, NULL, 0, 0);
  luaL_error(L, "interrupted!");
}

/* runtime:block_on(f, ...) -> f's results, from whichever worker is idle first; raises its error */
static int l_block_on(lua_State *L) {
  char failure[KIO_FAILURE_MAX], late[KIO_FAILURE_MAX];
  handle *h = check_running(L);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  if (kio_sched_here()) {
    return luaL_error(L, "block_on within kio.run would hold up its loop: use kio.thread.spawn");
  }
  if (take_failures(h, failure)) {
    stop(h, h->shutdown_ns, late);
    return luaL_error(L, "block_on: the runtime has been stopped: %s", failure);
  }
  int count = lua_gettop(L) - 1;
  luaL_checkstack(L, 8, "too many arguments");
  kio_call_out *out = kio_call_out_new(L, h->inbox);
  if (!kio_codec_pack(L, 2, count, &out->in.call.parcel, NULL)) return lua_error(L);
  check_running(L); /* a finalizer may have stopped it */
  if (!kio_call_out_send(h->runtime, out, 0)) {
    return luaL_error(L, "block_on: no worker is left");
  }
  await_answer(L, h, out);
  return kio_call_out_push_outcome(L, out);
}

/* runtime:stop([{ timeout = }]) -> true | nil, message, code: what is left then is named */
static int l_stop(lua_State *L) {
  char text[KIO_FAILURE_MAX];
  handle *h = check_handle(L);
  int64_t timeout = kio_op_timeout_or(L, 2, h->shutdown_ns);
  lua_pushboolean(L, true);
  if (!h->runtime || !stop(h, timeout, text)) return 1;
  return kio_fail_text(L, "ETIMEDOUT", "kio.runtime", "stop", text);
}

/* runtime:running() -> whether it has not been stopped */
static int l_running(lua_State *L) {
  kio_takes(L, 1);
  lua_pushboolean(L, check_handle(L)->runtime != NULL);
  return 1;
}

/* runtime:size() -> how many workers it has */
static int l_size(lua_State *L) {
  kio_takes(L, 1);
  lua_pushinteger(L, kio_runtime_count(check_running(L)->runtime));
  return 1;
}

static void finish(void *self) {
  handle *h = self;
  char text[KIO_FAILURE_MAX];
  if (h->runtime && h->pid == getpid()) stop(h, h->shutdown_ns, text);
  h->runtime = NULL;
  if (h->inbox) kio_inbox_close(h->inbox);
  kio_inbox_unref(h->inbox);
  h->inbox = NULL;
}

static int l_tostring(lua_State *L) {
  const handle *h = luaL_checkudata(L, 1, RUNTIME_TYPE);
  if (h->runtime)
    lua_pushfstring(L, "kio.Runtime (%d workers)", (int)kio_runtime_count(h->runtime));
  else lua_pushliteral(L, "kio.Runtime (stopped)");
  return 1;
}

static const luaL_Reg methods[] = {
    {"block_on", l_block_on}, {"stop", l_stop}, {"running", l_running},
    {"size", l_size},         {NULL, NULL},
};

const kio_type kio_runtime_type = {
    .name = RUNTIME_TYPE,
    .methods = {methods},
    .end = finish,
    .close = kio_type_l_close,
    .tostring = l_tostring,
};

const luaL_Reg kio_runtime_own[] = {
    {"runtime", l_runtime},
    {NULL, NULL},
};
