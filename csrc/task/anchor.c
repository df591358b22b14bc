/* Owns the spare numbers of a scheduler. Invariant: each has a value in the registry, for luaL_ref
   takes the first number behind those that have one. Called by the thread of the Lua state, with or
   without a scheduler. */
#include "task/anchor.h"

#include <lauxlib.h>

#include "task/here.h"

int kio_anchor(lua_State *L) {
  kio_sched *sched = kio_sched_current();
  if (!sched || sched->anchors.count == 0) return luaL_ref(L, LUA_REGISTRYINDEX);
  int number = sched->anchors.spare[--sched->anchors.count];
  lua_rawseti(L, LUA_REGISTRYINDEX, number);
  return number;
}

void kio_anchor_push_type(lua_State *L, int *number, const char *name) {
  if (*number == 0) {
    luaL_getmetatable(L, name);
    *number = kio_anchor(L);
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, *number);
}

void kio_anchor_drop(lua_State *L, int number) {
  kio_sched *sched = kio_sched_current();
  if (number < 0) return;
  if (!sched || sched->anchors.count == KIO_ANCHORS) {
    luaL_unref(L, LUA_REGISTRYINDEX, number);
    return;
  }
  lua_pushboolean(L, false);
  lua_rawseti(L, LUA_REGISTRYINDEX, number);
  sched->anchors.spare[sched->anchors.count++] = number;
}

void kio_anchors_fini(kio_sched *sched) {
  kio_anchors *anchors = &sched->anchors;
  while (anchors->count > 0)
    luaL_unref(sched->L, LUA_REGISTRYINDEX, anchors->spare[--anchors->count]);
  luaL_unref(sched->L, LUA_REGISTRYINDEX, anchors->task_type > 0 ? anchors->task_type : LUA_NOREF);
  luaL_unref(sched->L, LUA_REGISTRYINDEX,
             anchors->scope_type > 0 ? anchors->scope_type : LUA_NOREF);
  anchors->task_type = anchors->scope_type = 0;
}
