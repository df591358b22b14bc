/* kio.run and what tells about it. Owns the life of a scheduler: its userdata lies on the stack of
   kio.run, and its finalizer ends it even when lua_close or os.exit comes from within a task. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "config.h"
#include "lua_diagnose.h"
#include "lua_guard.h"
#include "lua_inspect.h"
#include "lua_rig.h"
#include "op.h"
#include "ops.h"
#include "trace.h"

#define SCHED_TYPE "kio.Scheduler"

/* ---- options ---- */

enum { OPTIONS = 2, ON_ERROR, ON_WATCHDOG }; /* where they are on kio.run's stack */

static lua_Number number_option(lua_State *L, const char *name, lua_Number otherwise,
                                lua_Number min, lua_Number max) {
  lua_Number value = otherwise;
  if (lua_getfield(L, OPTIONS, name) != LUA_TNIL) {
    luaL_argcheck(L, lua_type(L, -1) == LUA_TNUMBER, OPTIONS,
                  lua_pushfstring(L, "option '%s' must be a number", name));
    value = lua_tonumber(L, -1);
    luaL_argcheck(L, value >= min && value <= max, OPTIONS,
                  lua_pushfstring(L, "option '%s' is out of range", name));
    lua_pop(L, 1);
    return value;
  }
  lua_pop(L, 1);
  return value;
}

static unsigned entries_option(lua_State *L, const char *name, unsigned otherwise) {
  lua_Number value = number_option(L, name, otherwise, 1, KIO_RING_ENTRIES_MAX * 2);
  luaL_argcheck(L, value == (lua_Number)(unsigned)value, OPTIONS,
                lua_pushfstring(L, "option '%s' must be an integer", name));
  return (unsigned)value;
}

/* sqpoll = true: the kernel's default idle time of 1 s; a number: that many seconds. */
static int64_t sqpoll_option(lua_State *L) {
  int type = lua_getfield(L, OPTIONS, "sqpoll");
  bool on = lua_toboolean(L, -1);
  lua_pop(L, 1);
  if (!on) return -1;
  if (type == LUA_TBOOLEAN) return 1000;
  return (int64_t)(number_option(L, "sqpoll", 1, 0.001, 3600) * 1000);
}

static unsigned lend_option(lua_State *L) {
  lua_Number value = number_option(L, "lend_buffers", KIO_LOANS_BUFFERS, 0, KIO_LOANS_LIMIT);
  luaL_argcheck(L, value == (lua_Number)(unsigned)value, OPTIONS,
                "option 'lend_buffers' must be an integer");
  return (unsigned)value;
}

static const kio_ring_backend *backend_named(lua_State *L, const char *name) {
  if (strcmp(name, "uring") == 0) return &kio_ring_uring;
#ifdef KIO_TEST
  if (strcmp(name, "sim") == 0) return &kio_ring_sim;
#endif
  luaL_argerror(L, OPTIONS, lua_pushfstring(L, "there is no backend '%s' in this build", name));
  return NULL;
}

static const kio_ring_backend *backend_option(lua_State *L) {
  const char *name = getenv("KIO_BACKEND");
  if (lua_getfield(L, OPTIONS, "backend") != LUA_TNIL) {
    luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, OPTIONS, "option 'backend' must be a string");
    name = lua_tostring(L, -1);
  }
  const kio_ring_backend *backend = backend_named(L, name && *name ? name : "uring");
  lua_pop(L, 1);
  return backend;
}

static int64_t watchdog_option(lua_State *L) {
  lua_Number seconds = number_option(L, "watchdog", 0, 0, 1e9);
  if (lua_getfield(L, OPTIONS, "on_watchdog") != LUA_TNIL) {
    luaL_argcheck(L, lua_isfunction(L, -1), OPTIONS, "option 'on_watchdog' must be a function");
    luaL_argcheck(L, seconds > 0, OPTIONS, "option 'on_watchdog' without 'watchdog'");
  }
  lua_pop(L, 1);
  return kio_seconds_to_ns(seconds);
}

static kio_sched_config read_config(lua_State *L) {
  static const char *const known[] = {"entries",          "cq_entries", "sqpoll",       "busy_poll",
                                      "shutdown_timeout", "on_error",   "backend",      "watchdog",
                                      "on_watchdog",      "testing",    "lend_buffers", NULL};
  kio_check_options(L, OPTIONS, known);
  kio_sched_config config = {
      .backend = backend_option(L),
      .ring.entries = entries_option(L, "entries", KIO_RING_ENTRIES),
      .ring.cq_entries = entries_option(L, "cq_entries", KIO_RING_CQ_ENTRIES),
      .ring.sqpoll_ms = sqpoll_option(L),
      .ring.lend = lend_option(L),
      .busy_poll_ns = kio_seconds_to_ns(number_option(L, "busy_poll", 0, 0, 3600)),
      .shutdown_ns =
          kio_seconds_to_ns(number_option(L, "shutdown_timeout", KIO_SHUTDOWN_TIMEOUT_S, 0, 1e9)),
      .pool = {.threads = {KIO_POOL_THREADS, KIO_POOL_THREADS_INTERNAL},
               .queue = {KIO_POOL_QUEUE, KIO_POOL_QUEUE_INTERNAL},
               .stack_size = KIO_THREAD_STACK},
      .limit_ns = KIO_NEVER,
      .watch.limit_ns = watchdog_option(L),
      .watch.report = kio_inspect_hog,
      .on_trouble = kio_inspect_trouble,
  };
  kio_rig_option(L, OPTIONS, &config);
  return config;
}

/* ---- running ---- */

/* A write to a pipe nobody reads must be an error, not the end of the process; a program that has
   set its own handler keeps it. */
static void ignore_sigpipe(void) {
  struct sigaction now;
  if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL) signal(SIGPIPE, SIG_IGN);
}

/* Called with the scheduler, main and on_watchdog. */
static int l_start(lua_State *L) {
  kio_sched *sched = lua_touserdata(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &sched->config.watch);
  lua_remove(L, 1);
  sched->main = kio_task_new(L, sched, &sched->root, 0);
  return 0;
}

/* Pushes what the loop itself found wrong, and where the tasks were then. */
static int l_trouble(lua_State *L) {
  kio_inspect_push_trouble(L, lua_touserdata(L, 1));
  return 1;
}

/* The loop was in trouble, and then the task on top failed: it had been cut off, and that is
   why. */
static int raise_trouble(lua_State *L, kio_sched *sched, const char *trouble) {
  int self = lua_gettop(L);
  kio_trace_attach_all(L, sched, self, &sched->root.failures);
  kio_task_push_result(L, lua_touserdata(L, self), 0);
  const char *text = luaL_tolstring(L, -1, NULL);
  if (lua_getiuservalue(L, self, KIO_TASK_UV_TRACE) != LUA_TSTRING) lua_pushliteral(L, "");
  return luaL_error(L, "kio.run: %s\nand while the tasks were ended, one failed: %s\n%s", trouble,
                    text, lua_tostring(L, -1));
}

/* The error of the task on top: one that is a string carries the traceback, others stay as they
   are. With it go those of the other failed tasks, and what went wrong while all were ended. */
static int raise_error_of(lua_State *L, kio_sched *sched, const char *trouble) {
  int self = lua_gettop(L);
  kio_trace_attach_all(L, sched, self, &sched->root.failures);
  kio_task_push_result(L, lua_touserdata(L, self), 0);
  if (trouble && lua_istable(L, -1)) {
    lua_pushnil(L);
    lua_pushfstring(L, "kio.run: then %s", trouble);
    kio_trace_attach(L, self, "kio.run", -1, -2);
    lua_pop(L, 2);
  }
  if (lua_type(L, -1) != LUA_TSTRING) return lua_error(L);
  if (lua_getiuservalue(L, self, KIO_TASK_UV_TRACE) != LUA_TSTRING) lua_pop(L, 1);
  else lua_pushfstring(L, "%s\n%s", lua_tostring(L, -2), lua_tostring(L, -1));
  if (trouble) lua_pushfstring(L, "%s\nkio.run: then %s", lua_tostring(L, -1), trouble);
  return lua_error(L);
}

static int l_results(lua_State *L) {
  kio_sched *sched = lua_touserdata(L, 1);
  kio_task *main = sched->main;
  const char *trouble = lua_tostring(L, 2);
  if (!kio_list_empty(&sched->root.failures)) {
    kio_trace_take(L, sched, &sched->root.failures);
    if (trouble && sched->trouble_first) return raise_trouble(L, sched, trouble);
    return raise_error_of(L, sched, trouble);
  }
  if (trouble) return luaL_error(L, "kio.run: %s", trouble);
  if (main->status != KIO_TASK_DONE) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, main);
    return raise_error_of(L, sched, NULL);
  }
  int count = kio_task_result_count(main);
  luaL_checkstack(L, count, "too many results");
  for (int i = 0; i < count; i++) kio_task_push_result(L, main, i);
  return count;
}

/* The run is over: its tasks need no anchor any more. */
static void forget_all(lua_State *L, kio_sched *sched) {
  kio_link *link;
  kio_task *main = sched->main;
  sched->main = NULL;
  while ((link = kio_list_pop(&sched->root.failures))) {
    kio_task *task = KIO_CONTAINER(link, kio_task, link);
    if (task != main) kio_sched_forget(sched, task);
  }
  lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &sched->root);
  lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &sched->config.watch);
  lua_pushnil(L);
  if (main) lua_rawsetp(L, LUA_REGISTRYINDEX, main);
  else lua_pop(L, 1);
}

/* Runs f under a protected call with the scheduler and, from `extra` values, its arguments. */
static int protected(lua_State *L, lua_CFunction f, kio_sched *sched, int extra) {
  lua_pushcfunction(L, f);
  lua_insert(L, -(extra + 1));
  lua_pushlightuserdata(L, sched);
  lua_insert(L, -(extra + 1));
  return lua_pcall(L, extra + 1, LUA_MULTRET, 0);
}

static kio_sched *new_sched(lua_State *L) {
  kio_sched *sched = lua_newuserdatauv(L, sizeof *sched, 0);
  memset(sched, 0, sizeof *sched);
  luaL_setmetatable(L, SCHED_TYPE);
  return sched;
}

/* run(main [, options]) -> main's results; raises its error. nil, message, code when this machine
   gives no ring. */
static int l_run(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  if (kio_sched_here()) return luaL_error(L, "kio.run within kio.run: use kio.spawn");
  if (lua_isnoneornil(L, OPTIONS)) {
    lua_settop(L, 1);
    lua_newtable(L);
  }
  kio_sched_config config = read_config(L);
  lua_settop(L, OPTIONS);
  kio_guard_option(L, OPTIONS);
  lua_getfield(L, OPTIONS, "on_watchdog");
  kio_sched *sched = new_sched(L);
  int err = kio_sched_init(sched, L, &config);
  if (err) return kio_diagnose_push(L, -err, &config.ring);
  ignore_sigpipe();
  sched->on_error = lua_isfunction(L, ON_ERROR);
  lua_pushvalue(L, ON_ERROR);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &sched->root);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, ON_WATCHDOG);
  int status = protected(L, l_start, sched, 2);
  if (status == LUA_OK) kio_sched_run(sched);
  int told = status == LUA_OK && sched->trouble;
  if (told) status = protected(L, l_trouble, sched, 0);
  kio_sched_fini(sched);
  int base = lua_gettop(L) - (status != LUA_OK);
  if (status == LUA_OK) status = protected(L, l_results, sched, told);
  forget_all(L, sched);
  return status == LUA_OK ? lua_gettop(L) - base : lua_error(L);
}

static int l_gc(lua_State *L) {
  kio_sched_fini(luaL_checkudata(L, 1, SCHED_TYPE));
  return 0;
}

void kio_run_open(lua_State *L) {
  luaL_newmetatable(L, SCHED_TYPE);
  lua_pushcfunction(L, l_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
}

const luaL_Reg kio_run_ops[] = {
    {"run", l_run},
    {"check", kio_diagnose_check},
    {NULL, NULL},
};
