/* Owns nothing: options in, a struct out. See run/options.h. */
#include "run/options.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "base/config.h"
#include "op/op.h"
#include "ring/rig.h"
#include "run/inspect.h"
#include "run/rig_lua.h"
#include "task/here.h"

static lua_Number number_option(lua_State *L, int index, const char *name, lua_Number otherwise,
                                lua_Number min, lua_Number max) {
  lua_Number value = otherwise;
  if (kio_option(L, index, name) != LUA_TNIL) {
    luaL_argcheck(L, lua_type(L, -1) == LUA_TNUMBER, index,
                  lua_pushfstring(L, "option '%s' must be a number", name));
    value = lua_tonumber(L, -1);
    luaL_argcheck(L, value >= min && value <= max, index,
                  lua_pushfstring(L, "option '%s' is out of range", name));
  }
  lua_pop(L, 1);
  return value;
}

/* A whole number. */
static unsigned count_option(lua_State *L, int index, const char *name, unsigned otherwise,
                             unsigned min, unsigned max) {
  int type = kio_option(L, index, name), exact = 0;
  lua_Integer value = type == LUA_TNIL ? otherwise : lua_tointegerx(L, -1, &exact);
  lua_pop(L, 1);
  luaL_argcheck(L, type == LUA_TNIL || (type == LUA_TNUMBER && exact), index,
                lua_pushfstring(L, "option '%s' must be an integer", name));
  luaL_argcheck(L, value >= (lua_Integer)min && value <= (lua_Integer)max, index,
                lua_pushfstring(L, "option '%s' must be from %d to %d", name, (int)min, (int)max));
  return (unsigned)value;
}

/* sqpoll = true: the kernel's default idle time of 1 s; a number: that many seconds. */
static int64_t sqpoll_option(lua_State *L, int index) {
  int type = kio_option(L, index, "sqpoll");
  bool on = lua_toboolean(L, -1);
  lua_pop(L, 1);
  if (!on) return -1;
  if (type == LUA_TBOOLEAN) return 1000;
  return (int64_t)(number_option(L, index, "sqpoll", 1, 0.001, 3600) * 1000);
}

/* On the rig accepts are single unless asked for: faults are told by their number. */
static bool multishot_option(lua_State *L, int index, const kio_sched_config *config) {
  bool on = config->backend != &kio_ring_rig;
  if (kio_option(L, index, "multishot") != LUA_TNIL) {
    luaL_argcheck(L, lua_isboolean(L, -1), index, "option 'multishot' must be true or false");
    on = lua_toboolean(L, -1);
  }
  lua_pop(L, 1);
  return on;
}

static const kio_ring_backend *backend_named(lua_State *L, int index, const char *name) {
  if (strcmp(name, "uring") == 0) return &kio_ring_uring;
  if (strcmp(name, "epoll") == 0) return &kio_ring_epoll;
#ifdef KIO_TEST
  if (strcmp(name, "sim") == 0) return &kio_ring_sim;
#endif
  luaL_argerror(L, index, lua_pushfstring(L, "there is no backend '%s' in this build", name));
  return NULL;
}

static const kio_ring_backend *backend_option(lua_State *L, int index) {
  const char *name = getenv("KIO_BACKEND");
  if (kio_option(L, index, "backend") != LUA_TNIL) {
    luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, index, "option 'backend' must be a string");
    name = lua_tostring(L, -1);
  }
  const kio_ring_backend *backend = backend_named(L, index, name && *name ? name : "uring");
  lua_pop(L, 1);
  return backend;
}

static int64_t watchdog_option(lua_State *L, int index) {
  lua_Number seconds = number_option(L, index, "watchdog", 0, 0, 1e9);
  if (kio_option(L, index, "on_watchdog") != LUA_TNIL) {
    luaL_argcheck(L, lua_isfunction(L, -1), index, "option 'on_watchdog' must be a function");
    luaL_argcheck(L, seconds > 0, index, "option 'on_watchdog' without 'watchdog'");
  }
  lua_pop(L, 1);
  return kio_seconds_to_ns(seconds);
}

/* interrupt = false: SIGINT stays what it is. */
static bool interrupt_option(lua_State *L, int index) {
  int type = kio_option(L, index, "interrupt");
  luaL_argcheck(L, type == LUA_TNIL || type == LUA_TBOOLEAN, index,
                "option 'interrupt' must be true or false");
  bool on = type == LUA_TNIL || lua_toboolean(L, -1);
  lua_pop(L, 1);
  return on;
}

/* ---- CPUs ---- */

/* Those this thread may run on, in order. */
static size_t allowed_cpus(int *cpus) {
  size_t count = 0;
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 0;
  for (size_t cpu = 0; cpu < CPU_SETSIZE && count < KIO_CPUS_MAX; cpu++) {
    if (CPU_ISSET(cpu, &set)) cpus[count++] = (int)cpu;
  }
  return count;
}

static size_t listed_cpus(lua_State *L, int index, int *cpus) {
  lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
  luaL_argcheck(L, count > 0 && count <= KIO_CPUS_MAX, index, "option 'pin' lists no CPU");
  for (lua_Integer i = 1; i <= count; i++) {
    int exact;
    lua_rawgeti(L, -1, i);
    lua_Integer cpu = lua_tointegerx(L, -1, &exact);
    luaL_argcheck(L, exact && cpu >= 0 && cpu < CPU_SETSIZE, index,
                  "option 'pin' must be true or a list of CPU numbers");
    cpus[i - 1] = (int)cpu;
    lua_pop(L, 1);
  }
  return (size_t)count;
}

/* pin = true: worker i has the i-th CPU this process may use; a list: the i-th of that. */
static void pin_option(lua_State *L, int index, kio_options *options) {
  int type = kio_option(L, index, "pin");
  kio_runtime_config *config = &options->runtime;
  bool named = type == LUA_TNIL || type == LUA_TBOOLEAN || type == LUA_TTABLE;
  luaL_argcheck(L, named, index, "option 'pin' must be true or a list of CPU numbers");
  if (type == LUA_TTABLE) config->cpu_count = listed_cpus(L, index, options->cpus);
  else if (lua_toboolean(L, -1)) config->cpu_count = allowed_cpus(options->cpus);
  if (config->cpu_count > 0) config->cpus = options->cpus;
  lua_pop(L, 1);
}

static bool keep_option(lua_State *L, int index) {
  static const char *const names[] = {"stop", "keep", NULL};
  kio_option(L, index, "on_worker_error");
  const char *name = lua_isnil(L, -1) ? names[0] : lua_tostring(L, -1);
  bool keep = name && strcmp(name, names[1]) == 0;
  luaL_argcheck(L, keep || (name && strcmp(name, names[0]) == 0), index,
                "option 'on_worker_error' must be \"stop\" or \"keep\"");
  lua_pop(L, 1);
  return keep;
}

/* ---- all of them ---- */

static void read_sched(lua_State *L, int index, kio_sched_config *config) {
  const unsigned entries_max = KIO_RING_ENTRIES_MAX * 2; /* the kernel takes its own limit then */
  *config = (kio_sched_config){
      .backend = backend_option(L, index),
      .ring.entries = count_option(L, index, "entries", KIO_RING_ENTRIES, 1, entries_max),
      .ring.cq_entries = count_option(L, index, "cq_entries", KIO_RING_CQ_ENTRIES, 1, entries_max),
      .ring.sqpoll_ms = sqpoll_option(L, index),
      .ring.lend = count_option(L, index, "lend_buffers", KIO_LOANS_BUFFERS, 0, KIO_LOANS_LIMIT),
      .busy_poll_ns = kio_seconds_to_ns(number_option(L, index, "busy_poll", 0, 0, 3600)),
      .shutdown_ns = kio_seconds_to_ns(
          number_option(L, index, "shutdown_timeout", KIO_SHUTDOWN_TIMEOUT_S, 0, 1e9)),
      .limit_ns = KIO_NEVER,
      .watchdog.limit_ns = watchdog_option(L, index),
      .watchdog.report = kio_inspect_hog,
      .on_trouble = kio_inspect_trouble,
  };
  kio_rig_option(L, index, config);
  config->ring.multishot = multishot_option(L, index, config);
}

void kio_options_read(lua_State *L, int index, kio_options *options) {
  static const char *const known[] = {"entries",
                                      "cq_entries",
                                      "sqpoll",
                                      "busy_poll",
                                      "shutdown_timeout",
                                      "on_error",
                                      "backend",
                                      "watchdog",
                                      "on_watchdog",
                                      "testing",
                                      "lend_buffers",
                                      "threads",
                                      "pin",
                                      "blocking_threads",
                                      "blocking_queue",
                                      "on_worker_error",
                                      "interrupt",
                                      "multishot",
                                      NULL};
  kio_check_options(L, index, known);
  memset(options, 0, sizeof *options);
  read_sched(L, index, &options->sched);
  options->interrupt = interrupt_option(L, index);
  kio_runtime_config *runtime = &options->runtime;
  runtime->threads = count_option(L, index, "threads", 1, 1, KIO_THREADS_MAX);
  runtime->pool.threads[KIO_LANE_USER] =
      count_option(L, index, "blocking_threads", KIO_POOL_THREADS, 1, KIO_THREADS_MAX);
  runtime->pool.queue[KIO_LANE_USER] =
      count_option(L, index, "blocking_queue", KIO_POOL_QUEUE, 0, INT_MAX);
  runtime->pool.threads[KIO_LANE_LOOKUP] = KIO_POOL_THREADS_LOOKUP;
  runtime->pool.queue[KIO_LANE_LOOKUP] = KIO_POOL_QUEUE_INTERNAL;
  runtime->pool.threads[KIO_LANE_INTERNAL] = KIO_POOL_THREADS_INTERNAL;
  runtime->pool.queue[KIO_LANE_INTERNAL] = KIO_POOL_QUEUE_INTERNAL;
  runtime->pool.threads[KIO_LANE_FILE] = KIO_POOL_THREADS_FILE;
  runtime->pool.queue[KIO_LANE_FILE] = KIO_POOL_QUEUE_INTERNAL;
  runtime->pool.stack_size = KIO_THREAD_STACK;
  pin_option(L, index, options);
  options->keep = keep_option(L, index);
  bool rigged = options->sched.ring.inner || options->sched.seed;
  luaL_argcheck(L, !rigged || runtime->threads == 1, index,
                "option 'threads' must be 1 under kio.testing and KIO_CHUNK: they know one thread");
}
