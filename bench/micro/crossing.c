/* What crossing to another Lua state costs, beside a copy written in Lua within one state (and
   string.dump + load for a function): build/bench/crossing (make bench-micro). Processor time; the
   median of the rounds. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "codec/pack.h"
#include "codec/unpack.h"

enum { ROUNDS = 15 };

static const char prelude[] =
    "local function copy(v, seen) local kind = type(v) "
    "if kind == 'function' then return load(string.dump(v)) end "
    "if kind ~= 'table' then return v end if seen[v] then return seen[v] end "
    "local t = {} seen[v] = t for k, x in pairs(v) do t[copy(k, seen)] = copy(x, seen) end "
    "return t end "
    "function clone(v) return copy(v, {}) end";

typedef struct crossing {
  const char *name;
  const char *source; /* makes the value */
  int count;          /* times per round */
} crossing;

static const crossing cases[] = {
    {"a number", "return 42", 20000},
    {"a string of 1 KiB", "return ('x'):rep(1024)", 20000},
    {"a table of 3 fields", "return { id = 1, name = 'somebody', ok = true }", 20000},
    {"100 such tables in a list",
     "local l = {} for i = 1, 100 do l[i] = { id = i, name = 'somebody', ok = true } end return l",
     300},
    {"a list of 1000 integers", "local l = {} for i = 1, 1000 do l[i] = i * 7 end return l", 500},
    {"a function of 5 lines, 2 upvalues",
     "local n, m = 1, { 2 }\nreturn function(a)\nlocal s = 0\nfor i = 1, a do\n"
     "s = s + i * n\nend\nprint(m, s)\nend",
     5000},
};

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void check(lua_State *L, bool good) {
  if (good) return;
  fprintf(stderr, "crossing: %s\n", lua_tostring(L, -1));
  exit(1);
}

/* Nanoseconds to pack the value at index 1 of L. */
static double pack_ns(lua_State *L, kio_parcel *parcels, int count) {
  double start = seconds();
  for (int i = 0; i < count; i++) check(L, kio_codec_pack(L, 1, 1, &parcels[i], NULL));
  return (seconds() - start) / count * 1e9;
}

static double unpack_ns(lua_State *to, kio_parcel *parcels, int count) {
  double start = seconds();
  for (int i = 0; i < count; i++) {
    check(to, kio_codec_unpack(to, &parcels[i]) == 1);
    lua_settop(to, 0);
  }
  return (seconds() - start) / count * 1e9;
}

static double clone_ns(lua_State *L, int count) {
  double start = seconds();
  for (int i = 0; i < count; i++) {
    lua_getglobal(L, "clone");
    lua_pushvalue(L, 1);
    check(L, lua_pcall(L, 1, 1, 0) == LUA_OK);
    lua_settop(L, 1);
  }
  return (seconds() - start) / count * 1e9;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *list) {
  qsort(list, ROUNDS, sizeof *list, compare);
  return list[ROUNDS / 2];
}

static lua_State *new_state(void) {
  lua_State *L = luaL_newstate();
  if (!L) exit(1);
  luaL_openlibs(L);
  check(L, luaL_dostring(L, prelude) == LUA_OK);
  return L;
}

static void measure(const crossing *c) {
  double pack[ROUNDS], unpack[ROUNDS], clone[ROUNDS];
  lua_State *from = new_state(), *to = new_state();
  kio_parcel *parcels = calloc((size_t)c->count, sizeof *parcels);
  check(from, parcels && luaL_dostring(from, c->source) == LUA_OK);
  for (int round = 0; round < ROUNDS; round++) {
    pack[round] = pack_ns(from, parcels, c->count);
    unpack[round] = unpack_ns(to, parcels, c->count);
    clone[round] = clone_ns(from, c->count);
  }
  printf("%-36s %8.0f %8.0f %8.0f\n", c->name, median(pack), median(unpack), median(clone));
  free(parcels);
  lua_close(from);
  lua_close(to);
}

int main(void) {
  printf("%-36s %8s %8s %8s\n", "ns", "pack", "unpack", "in Lua");
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) measure(&cases[i]);
  return 0;
}
