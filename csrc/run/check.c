/* What kio.check needs from C: whether a ring is granted, and the limits of this process; the rest
   and all words are Lua's (lua/kio/run/check.lua). Owns the function that makes these words, in the
   registry of each Lua state; a trial ring lives for one call. Within a run its own ring is
   described instead, so a check there costs no second one. */
#include "run/check.h"

#include <lauxlib.h>
#include <math.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/config.h"
#include "base/errname.h"
#include "op/op.h"
#include "op/registry.h"
#include "task/here.h"

static const char words; /* only its address counts: the key in the registry */

static void push_limit(lua_State *L, rlim_t value) {
  if (value == RLIM_INFINITY) lua_pushnumber(L, (lua_Number)HUGE_VAL);
  else lua_pushinteger(L, (lua_Integer)value);
}

static void set_limits(lua_State *L, const char *name, int which) {
  struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
  getrlimit((__rlimit_resource_t)which, &limit);
  lua_createtable(L, 0, 2);
  push_limit(L, limit.rlim_cur);
  lua_setfield(L, -2, "soft");
  push_limit(L, limit.rlim_max);
  lua_setfield(L, -2, "hard");
  lua_setfield(L, -2, name);
}

static int count_cpus(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
  return (int)sysconf(_SC_NPROCESSORS_ONLN); /* more processors than the set has room for */
}

/* Pushes a table: a ring of this name and configuration was refused with `err` (positive), or
   granted. */
static void push_facts(lua_State *L, int err, const char *granted, const char *backend,
                       const kio_ring_config *config) {
  struct utsname name = {0};
  uname(&name);
  lua_createtable(L, 0, 24);
  if (granted) kio_set_text(L, "granted", granted);
  if (err) {
    kio_set_text(L, "code", kio_errname(err));
    kio_set_text(L, "reason", strerror(err));
  }
  kio_set_text(L, "backend", backend);
  kio_set_text(L, "liburing", kio_ring_uring.library);
  kio_set_integer(L, "entries", (lua_Integer)config->entries);
  kio_set_integer(L, "cq_entries", (lua_Integer)config->cq_entries);
  kio_set_text(L, "extra", config->sqpoll_ms >= 0 ? " and sqpoll" : "");
  kio_set_text(L, "kernel", name.release);
  kio_set_integer(L, "cpus", count_cpus());
  set_limits(L, "memlock", RLIMIT_MEMLOCK);
  set_limits(L, "nofile", RLIMIT_NOFILE);
}

void kio_check_push_refusal(lua_State *L, int err, const kio_sched_config *config, bool whole) {
  int top = lua_gettop(L);
  const char *name = (config->ring.inner ? config->ring.inner : config->backend)->name;
  luaL_checkstack(L, 16, "the ring is refused");
  lua_rawgetp(L, LUA_REGISTRYINDEX, &words);
  push_facts(L, err, NULL, name, &config->ring);
  lua_pushboolean(L, whole);
  if (lua_pcall(L, 2, 1, 0) == LUA_OK && lua_type(L, -1) == LUA_TSTRING) return;
  lua_settop(L, top);
  lua_pushfstring(L, "no ring here (%s: %s)", name, kio_errname(err));
}

/* try_ring() -> the facts, with what a ring of the usual size is granted or refused with */
static int l_try_ring(lua_State *L) {
  static const kio_ring_config usual = {
      .entries = KIO_RING_ENTRIES, .cq_entries = KIO_RING_CQ_ENTRIES, .sqpoll_ms = -1};
  kio_ring ring;
  char granted[160];
  kio_sched *sched = kio_sched_here();
  if (sched && sched->ring.backend == &kio_ring_uring) {
    kio_ring_uring.describe(&sched->ring, granted, sizeof granted);
    push_facts(L, 0, granted, kio_ring_uring.name, &usual);
    return 1;
  }
  int err = -kio_ring_open(&ring, &kio_ring_uring, &usual);
  if (!err) {
    kio_ring_uring.describe(&ring, granted, sizeof granted);
    kio_ring_close(&ring);
  }
  push_facts(L, err, err ? NULL : granted, kio_ring_uring.name, &usual);
  return 1;
}

/* ring_here() -> the name of this run's ring; nil outside of one */
static int l_ring_here(lua_State *L) {
  const kio_sched *sched = kio_sched_here();
  lua_pushstring(L, sched ? kio_ring_name(&sched->ring, &sched->config.ring) : NULL);
  return 1;
}

/* refusal_words(f): f(facts, whole) -> the text of kio_check_push_refusal */
static int l_refusal_words(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &words);
  return 0;
}

const luaL_Reg kio_check_own[] = {
    {"try_ring", l_try_ring},
    {"ring_here", l_ring_here},
    {"refusal_words", l_refusal_words},
    {NULL, NULL},
};
