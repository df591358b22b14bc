/* Owns nothing: a record of options in, a struct out. See run/options.h. */
#include "run/options.h"

#include <limits.h>
#include <lauxlib.h>
#include <math.h>
#include <sched.h>
#include <string.h>

#include "base/config.h"
#include "op/op.h"
#include "op/registry.h"
#include "ring/choose.h"
#include "ring/rig.h"
#include "run/inspect.h"
#include "task/here.h"

enum { ENTRIES_MAX = KIO_RING_ENTRIES_MAX * 2 }; /* the kernel takes its own limit then */

/* lua/kio/run/options.lua has checked it; who calls the core by hand gets the nearest value. */
static lua_Number number(lua_State *L, int index, const char *name, lua_Number otherwise,
                         lua_Number min, lua_Number max) {
  bool given = kio_option(L, index, name) == LUA_TNUMBER;
  lua_Number value = given ? lua_tonumber(L, -1) : otherwise;
  lua_pop(L, 1);
  if (!(value >= min)) return min;
  return value > max ? max : value;
}

static unsigned count(lua_State *L, int index, const char *name, unsigned otherwise, unsigned min,
                      unsigned max) {
  return (unsigned)number(L, index, name, otherwise, min, max);
}

static int64_t nanoseconds(lua_State *L, int index, const char *name, lua_Number otherwise) {
  return kio_seconds_to_ns(number(L, index, name, otherwise, 0, HUGE_VAL));
}

static bool flag(lua_State *L, int index, const char *name, bool otherwise) {
  bool on = kio_option(L, index, name) == LUA_TNIL ? otherwise : lua_toboolean(L, -1);
  lua_pop(L, 1);
  return on;
}

static const kio_ring_backend *backend_option(lua_State *L, int index) {
  bool named = kio_option(L, index, "backend") == LUA_TSTRING;
  const kio_ring_backend *backend = named ? kio_ring_named(lua_tostring(L, -1)) : NULL;
  lua_pop(L, 1);
  return backend ? backend : &kio_ring_uring;
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

static size_t listed_cpus(lua_State *L, int *cpus) {
  size_t size = kio_min_size((size_t)lua_rawlen(L, -1), KIO_CPUS_MAX);
  for (size_t i = 0; i < size; i++) {
    lua_rawgeti(L, -1, (lua_Integer)i + 1);
    lua_Integer cpu = lua_tointeger(L, -1);
    cpus[i] = cpu > 0 && cpu < CPU_SETSIZE ? (int)cpu : 0;
    lua_pop(L, 1);
  }
  return size;
}

/* pin = true: worker i has the i-th CPU this process may use; a list: the i-th of that. */
static void pin_option(lua_State *L, int index, kio_options *options) {
  kio_runtime_config *config = &options->runtime;
  if (kio_option(L, index, "pin") == LUA_TTABLE) config->cpu_count = listed_cpus(L, options->cpus);
  else if (lua_toboolean(L, -1)) config->cpu_count = allowed_cpus(options->cpus);
  if (config->cpu_count > 0) config->cpus = options->cpus;
  lua_pop(L, 1);
}

/* ---- all of them ---- */

/* Puts a rig before the ring that has been chosen, with its clock. */
static void rig_options(lua_State *L, int index, kio_sched_config *config) {
  if (!flag(L, index, "rig", false)) return;
  config->ring.inner = config->backend;
  config->backend = &kio_ring_rig;
  config->ring.jump = flag(L, index, "jump", false);
  config->ring.settle_ns = nanoseconds(L, index, "settle", KIO_RIG_SETTLE_S);
  config->ring.chunk = (size_t)number(L, index, "chunk", 0, 0, INT_MAX);
  kio_option(L, index, "seed");
  config->seed = (uint64_t)lua_tointeger(L, -1);
  lua_pop(L, 1);
}

static void read_sched(lua_State *L, int index, kio_sched_config *config) {
  lua_Number sqpoll_ms = number(L, index, "sqpoll", -1, -1, 3600) * 1000;
  *config = (kio_sched_config){
      .backend = backend_option(L, index),
      .ring.entries = count(L, index, "entries", KIO_RING_ENTRIES, 1, ENTRIES_MAX),
      .ring.cq_entries = count(L, index, "cq_entries", KIO_RING_CQ_ENTRIES, 1, ENTRIES_MAX),
      .ring.sqpoll_ms = sqpoll_ms < 0 ? -1 : (int64_t)sqpoll_ms,
      .ring.lend = count(L, index, "lend_buffers", KIO_LOANS_BUFFERS, 0, KIO_LOANS_LIMIT),
      .ring.multishot = flag(L, index, "multishot", true),
      .busy_poll_ns = nanoseconds(L, index, "busy_poll", 0),
      .shutdown_ns = nanoseconds(L, index, "shutdown_timeout", KIO_SHUTDOWN_TIMEOUT_S),
      .limit_ns = nanoseconds(L, index, "limit", HUGE_VAL),
      .watchdog.limit_ns = nanoseconds(L, index, "watchdog", 0),
      .watchdog.report = kio_inspect_hog,
      .on_trouble = kio_inspect_trouble,
  };
  rig_options(L, index, config);
}

void kio_options_read(lua_State *L, int index, kio_options *options) {
  luaL_checktype(L, index, LUA_TTABLE);
  memset(options, 0, sizeof *options);
  read_sched(L, index, &options->sched);
  options->interrupt = flag(L, index, "interrupt", true);
  options->keep = flag(L, index, "keep", false);
  kio_runtime_config *runtime = &options->runtime;
  bool rigged = options->sched.ring.inner != NULL;
  runtime->threads = count(L, index, "threads", 1, 1, rigged ? 1 : KIO_THREADS_MAX);
  runtime->pool.threads[KIO_LANE_USER] =
      count(L, index, "blocking_threads", KIO_POOL_THREADS, 1, KIO_THREADS_MAX);
  runtime->pool.queue[KIO_LANE_USER] =
      count(L, index, "blocking_queue", KIO_POOL_QUEUE, 0, INT_MAX);
  runtime->pool.threads[KIO_LANE_LOOKUP] = KIO_POOL_THREADS_LOOKUP;
  runtime->pool.queue[KIO_LANE_LOOKUP] = KIO_POOL_QUEUE_INTERNAL;
  runtime->pool.threads[KIO_LANE_INTERNAL] = KIO_POOL_THREADS_INTERNAL;
  runtime->pool.queue[KIO_LANE_INTERNAL] = KIO_POOL_QUEUE_INTERNAL;
  runtime->pool.threads[KIO_LANE_FILE] = KIO_POOL_THREADS_FILE;
  runtime->pool.queue[KIO_LANE_FILE] = KIO_POOL_QUEUE_INTERNAL;
  runtime->pool.stack_size = KIO_THREAD_STACK;
  pin_option(L, index, options);
}

/* ---- what their checks ask ---- */

/* run_limits() -> most entries of a ring, buffers lent, threads */
static int l_run_limits(lua_State *L) {
  lua_pushinteger(L, ENTRIES_MAX);
  lua_pushinteger(L, KIO_LOANS_LIMIT);
  lua_pushinteger(L, KIO_THREADS_MAX);
  return 3;
}

/* ring_named(name) -> the name of that ring, of "auto" the chosen one's; nil: there is none */
static int l_ring_named(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  bool any = strcmp(name, "auto") == 0;
  const kio_ring_backend *backend = any ? kio_ring_choose() : kio_ring_named(name);
  lua_pushstring(L, backend ? backend->name : NULL);
  return 1;
}

const luaL_Reg kio_options_own[] = {
    {"run_limits", l_run_limits},
    {"ring_named", l_ring_named},
    {NULL, NULL},
};
