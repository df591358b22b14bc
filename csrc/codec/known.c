/* Owns one map in each Lua state: a userdata in its registry, large enough when it is made.
   Invariant: while package.loaded has the entries it had (`signature`) the names in the map live; a
   member is looked up again in its module before it is believed. Tables are read by raw access
   only, so that no code of theirs runs. Of two modules with the same value the lower name counts,
   and the globals' last. Called by the thread of the Lua state. */
#include "codec/known.h"

#include <lauxlib.h>
#include <string.h>

#include "base/ptrmap.h"

static const char known_key; /* its address is the map's key in the registry */

enum { MODULE, MEMBER };

struct kio_known {
  uint64_t signature; /* of package.loaded when it was looked through */
  size_t count;       /* modules and members, counted before they are entered */
  kio_seen seen;      /* the value of an entry is the name of its module */
};

/* ---- tables ---- */

static bool has_identity(int type) {
  return type == LUA_TTABLE || type == LUA_TFUNCTION || type == LUA_TUSERDATA;
}

static bool is_globals(const char *module) {
  return strcmp(module, LUA_GNAME) == 0;
}

static void push_loaded(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
}

/* A number that changes with the entries of the table on top. */
static uint64_t signature_of(lua_State *L) {
  uint64_t sum = 1;
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    uint64_t key = (uint64_t)(uintptr_t)lua_topointer(L, -2);
    uint64_t value = (uint64_t)(uintptr_t)lua_topointer(L, -1);
    sum += (key * 0x9E3779B97F4A7C15u) ^ (value * 0xC2B2AE3D27D4EB4Fu);
    lua_pop(L, 1);
  }
  return sum | 1;
}

/* ---- making the map ---- */

/* Which of two names counts. */
static bool better(const char *name, const char *than) {
  if (is_globals(name) || is_globals(than)) return is_globals(than) && !is_globals(name);
  return strcmp(name, than) < 0;
}

/* Enters the value on top under a module's name. A module is not what another one holds. */
static void enter(lua_State *L, kio_known *known, int kind, const char *module) {
  const void *address = lua_topointer(L, -1);
  kio_seen_entry *entry = kio_seen_find(&known->seen, address);
  if (!entry) {
    entry = kio_seen_put(&known->seen, address, kind, (uintptr_t)module);
    kio_assert(entry); /* all of them were counted */
  } else if (entry->kind == kind && better(module, (const char *)entry->value)) {
    entry->value = (uintptr_t)module;
  }
}

/* Whether the field on top is one that others may be told by its name. Of the globals only C
   functions and userdata are: other states have no others of a program's globals. */
static bool is_member(lua_State *L, bool global) {
  int type = lua_type(L, -1);
  if (lua_type(L, -2) != LUA_TSTRING) return false;
  return type == LUA_TUSERDATA || (global ? lua_iscfunction(L, -1) : type == LUA_TFUNCTION);
}

/* Calls for each module with a name, which is at -2, the value on top. */
static void each_module(lua_State *L, kio_known *known,
                        void (*visit)(lua_State *, kio_known *, const char *)) {
  push_loaded(L);
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    bool named = lua_type(L, -2) == LUA_TSTRING && has_identity(lua_type(L, -1));
    if (named) visit(L, known, lua_tostring(L, -2));
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

static bool has_member(lua_State *L) {
  bool found = false;
  lua_pushnil(L);
  while (!found && lua_next(L, -2)) {
    found = is_member(L, false);
    lua_pop(L, 1);
  }
  if (found) lua_pop(L, 1);
  return found;
}

static void count_module(lua_State *L, kio_known *known, const char *module) {
  (void)module;
  known->count++;
  if (!lua_istable(L, -1)) return;
  lua_pushnil(L);
  for (; lua_next(L, -2); lua_pop(L, 1)) known->count++;
}

static void enter_module(lua_State *L, kio_known *known, const char *module) {
  bool named = !lua_istable(L, -1) || has_member(L);
  if (!named && lua_getmetatable(L, -1)) { /* it cannot be copied, and may have its methods there */
    lua_pop(L, 1);
    named = true;
  }
  if (named) enter(L, known, MODULE, module);
}

static void enter_members(lua_State *L, kio_known *known, const char *module) {
  if (!lua_istable(L, -1)) return;
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    if (is_member(L, is_globals(module))) enter(L, known, MEMBER, module);
    lua_pop(L, 1);
  }
}

/* Pushes a table that keeps the names alive. */
static void push_names(lua_State *L) {
  lua_newtable(L);
  push_loaded(L);
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_pushboolean(L, true);
    lua_rawset(L, -5);
  }
  lua_pop(L, 1);
}

/* make() -> the map */
static int l_make(lua_State *L) {
  kio_known counted = {.count = 0};
  each_module(L, &counted, count_module);
  size_t room = KIO_SEEN_INLINE;
  while (room < counted.count * 2) room *= 2;
  size_t places_size = room * sizeof(kio_seen_entry);
  kio_known *known = lua_newuserdatauv(L, sizeof *known + places_size, 1);
  kio_seen_init_fixed(&known->seen, (kio_seen_entry *)(known + 1), room);
  push_names(L);
  lua_setiuservalue(L, -2, 1);
  push_loaded(L);
  known->signature = signature_of(L);
  lua_pop(L, 1);
  each_module(L, known, enter_module);
  each_module(L, known, enter_members);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &known_key);
  return 1;
}

/* No finalizer may run meanwhile, for it might load another module. */
kio_known *kio_known_again(lua_State *L) {
  bool collects = lua_gc(L, LUA_GCISRUNNING) > 0;
  if (collects) lua_gc(L, LUA_GCSTOP);
  lua_pushcfunction(L, l_make);
  int status = lua_pcall(L, 0, 1, 0);
  if (collects) lua_gc(L, LUA_GCRESTART);
  if (status != LUA_OK) lua_error(L);
  return lua_touserdata(L, -1);
}

/* ---- finding it, and finding in it ---- */

kio_known *kio_known_here(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &known_key);
  kio_known *known = lua_touserdata(L, -1);
  push_loaded(L);
  uint64_t signature = signature_of(L);
  lua_pop(L, 1);
  if (known && signature == known->signature) return known;
  lua_pop(L, 1);
  return kio_known_again(L);
}

/* Whether the key at -2 says more than the one below it: aliases are shorter than names. */
static bool is_longer(lua_State *L) {
  return lua_isnil(L, -3) || lua_rawlen(L, -2) > lua_rawlen(L, -3);
}

/* Pushes the key under which the module holds the value at `index`; nil: it does not any more. */
static void push_key(lua_State *L, const char *module, int index) {
  push_loaded(L);
  lua_pushstring(L, module);
  lua_rawget(L, -2);
  lua_replace(L, -2);
  lua_pushnil(L); /* the best key so far */
  lua_pushnil(L);
  while (lua_next(L, -3)) {
    bool is_it = lua_type(L, -2) == LUA_TSTRING && lua_rawequal(L, -1, index) && is_longer(L);
    lua_pop(L, 1);
    if (!is_it) continue;
    lua_pushvalue(L, -1);
    lua_replace(L, -3);
  }
  lua_replace(L, -2);
}

const char *kio_known_find(lua_State *L, kio_known *known, int index) {
  index = lua_absindex(L, index);
  const kio_seen_entry *entry = kio_seen_find(&known->seen, lua_topointer(L, index));
  if (!entry) return NULL;
  const char *module = (const char *)entry->value;
  if (entry->kind == MODULE) {
    lua_pushnil(L);
    return module;
  }
  push_key(L, module, index);
  if (!lua_isnil(L, -1)) return module;
  lua_pop(L, 1);
  return NULL;
}
