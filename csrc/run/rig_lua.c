/* The C half of kio.testing: faults at a rig (ring/rig.h), and what a test can leave behind. Owns
   nothing; a list of faults lives in its userdata, which the Lua half keeps as long as the run
   lasts. */
#include <dirent.h>
#include <lauxlib.h>
#include <string.h>
#include <unistd.h>

#include "base/errname.h"
#include "base/number.h"
#include "op/op.h"
#include "op/registry.h"
#include "ring/rig.h"
#include "task/here.h"
#include "task/traceback.h"

#define FAULTS_TYPE "kio.Faults"

/* ---- faults ---- */

static lua_Integer count_field(lua_State *L, const char *name) {
  bool valid =
      kio_option(L, -1, name) == LUA_TNIL || (lua_isinteger(L, -1) && lua_tointeger(L, -1) >= 1);
  if (!valid) luaL_error(L, "faults: '%s' must be an integer of 1 or more", name);
  lua_Integer count = lua_tointeger(L, -1);
  lua_pop(L, 1);
  return count;
}

static int op_field(lua_State *L) {
  int op = KIO_RIG_ANY_OP;
  if (kio_option(L, -1, "op") != LUA_TNIL) {
    const char *name = lua_tostring(L, -1);
    op = name ? (int)kio_op_named(name) : KIO_OP_COUNT;
    if (op == KIO_OP_COUNT) {
      luaL_error(L, "faults: there is no operation '%s'", kio_traceback_push_text(L, -1));
    }
  }
  lua_pop(L, 1);
  return op;
}

static int error_field(lua_State *L) {
  int err = 0;
  if (kio_option(L, -1, "error") != LUA_TNIL) {
    const char *name = lua_tostring(L, -1);
    err = name ? kio_errname_find(name) : 0;
    if (err == 0) luaL_error(L, "faults: there is no error '%s'", kio_traceback_push_text(L, -1));
  }
  lua_pop(L, 1);
  return err;
}

/* Reads the fault on top of the stack. */
static kio_fault read_fault(lua_State *L) {
  static const char *const known[] = {"op", "nth", "error", "short", NULL};
  if (!lua_istable(L, -1)) luaL_error(L, "faults: each must be a table");
  kio_check_options(L, lua_gettop(L), known);
  kio_fault fault = {
      .op = op_field(L),
      .nth = (uint64_t)count_field(L, "nth"),
      .err = error_field(L),
      .short_max = (size_t)count_field(L, "short"),
  };
  bool cuts = fault.short_max > 0;
  if (cuts == (fault.err != 0)) luaL_error(L, "faults: each needs 'error' or 'short', not both");
  if (cuts && fault.op != KIO_RIG_ANY_OP && !kio_op_look((unsigned)fault.op)->moves_bytes) {
    luaL_error(L, "faults: '%s' moves no bytes that could be cut short",
               kio_op_name((unsigned)fault.op));
  }
  return fault;
}

/* rig_faults(list) -> faults, which are injected into the requests of this run from now on */
static int l_rig_faults(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  kio_sched *sched = kio_op_task(L)->sched;
  size_t count = (size_t)lua_rawlen(L, 1);
  luaL_argcheck(L, count > 0, 1, "an empty list");
  size_t size = sizeof(kio_faults) + count * sizeof(kio_fault);
  kio_faults *faults = lua_newuserdatauv(L, size, 0);
  memset(faults, 0, size);
  luaL_setmetatable(L, FAULTS_TYPE);
  faults->count = count;
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, 1, (lua_Integer)i + 1);
    faults->list[i] = read_fault(L);
    lua_pop(L, 1);
  }
  if (!kio_faults_add(&sched->ring, faults)) {
    return luaL_error(L, "faults: only in a function that kio.testing.run has called");
  }
  return 1;
}

static kio_faults *check_faults(lua_State *L) {
  return luaL_checkudata(L, 1, FAULTS_TYPE);
}

/* faults:hits([i]) -> how often the i-th fault was injected; all of them without i */
static int l_hits(lua_State *L) {
  const kio_faults *faults = check_faults(L);
  kio_takes(L, 2);
  lua_Integer only = luaL_optinteger(L, 2, 0);
  bool valid = lua_isnoneornil(L, 2) || (only >= 1 && (size_t)only <= faults->count);
  luaL_argcheck(L, valid, 2, "there is no such fault");
  uint64_t hits = 0;
  for (size_t i = 0; i < faults->count; i++) {
    if (only == 0 || (size_t)only == i + 1) hits += faults->list[i].hits;
  }
  lua_pushinteger(L, (lua_Integer)hits);
  return 1;
}

/* faults:clear(): they are injected no more */
static int l_clear(lua_State *L) {
  kio_takes(L, 1);
  kio_faults_remove(check_faults(L));
  return 0;
}

static void end(void *self) {
  kio_faults_remove(self);
}

static int l_faults_tostring(lua_State *L) {
  const kio_faults *faults = check_faults(L);
  const char *state = kio_link_linked(&faults->link) ? "active" : "cleared";
  lua_pushfstring(L, FAULTS_TYPE " (%d, %s)", (int)faults->count, state);
  return 1;
}

static const luaL_Reg methods[] = {{"hits", l_hits}, {"clear", l_clear}, {NULL, NULL}};

const kio_type kio_faults_type = {
    .name = FAULTS_TYPE, .methods = {methods}, .end = end, .tostring = l_faults_tostring};

/* ---- what a test can leave behind ---- */

/* The door of an inbox: kio's own, which a task or job that is garbage holds until it is collected.
   No program could close it. */
static bool is_door(int fd, const char *what, size_t size) {
  static const char eventfd[] = "anon_inode:[eventfd]";
  bool own = (kio_number_meant(fd) & ~KIO_NUMBER_MASK) == KIO_NUMBER_OWN;
  return own && size == sizeof eventfd - 1 && memcmp(what, eventfd, size) == 0;
}

/* descriptors() -> a table: each open descriptor's number, and what it is */
static int l_descriptors(lua_State *L) {
  DIR *folder = opendir("/proc/self/fd");
  if (!folder) return luaL_error(L, "descriptors: /proc/self/fd cannot be read");
  int numbers[4096], own = dirfd(folder);
  size_t count = 0;
  for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
    int fd = atoi(entry->d_name);
    bool counts = entry->d_name[0] != '.' && fd != own && count < KIO_COUNT(numbers);
    if (counts) numbers[count++] = fd;
  }
  closedir(folder); /* before anything may raise */
  lua_newtable(L);
  for (size_t i = 0; i < count; i++) {
    char path[64], what[256];
    snprintf(path, sizeof path, "/proc/self/fd/%d", numbers[i]);
    ssize_t read = readlink(path, what, sizeof what);
    size_t size = read > 0 ? (size_t)read : 0;
    if (is_door(numbers[i], what, size)) continue;
    lua_pushlstring(L, what, size);
    lua_rawseti(L, -2, numbers[i]);
  }
  return 1;
}

/* requests() -> a list of the requests under way: { op =, fd = } */
static int l_requests(lua_State *L) {
  const kio_slab *slab = &kio_op_task(L)->sched->ring.slab;
  const kio_request *request;
  lua_Integer count = 0;
  lua_newtable(L);
  for (size_t i = 0; (request = kio_slab_at(slab, i)); i++) {
    if (!kio_request_under_way(request) || request->flags & KIO_REQUEST_SILENT) continue;
    lua_createtable(L, 0, 2);
    kio_set_text(L, "op", kio_op_name(request->op));
    if (request->fd >= 0) kio_set_integer(L, "fd", request->fd);
    lua_rawseti(L, -2, ++count);
  }
  return 1;
}

const luaL_Reg kio_rig_own[] = {
    {"rig_faults", l_rig_faults},
    {"descriptors", l_descriptors},
    {"requests", l_requests},
    {NULL, NULL},
};
