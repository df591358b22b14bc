/* Owns a table in each Lua state, from objects to their userdata, which it does not keep alive.
   Called by the thread of the Lua state. */
#include "worker/shared.h"

#include "op/finalizer.h"
#include "op/op.h"
#include "op/registry.h"
#include "task/here.h"
#include "task/result.h"
#include "task/task.h"

static const char known_key; /* its address is the table's key in the registry */

/* Pushes the table. */
static void push_known(lua_State *L) {
  kio_push_weak(L, &known_key, "v");
}

kio_shared *kio_shared_push_empty(lua_State *L, const kio_shared_kind *kind) {
  kio_shared *shared = lua_newuserdatauv(L, sizeof *shared, 0);
  *shared = (kio_shared){.kind = kind, .process = kio_sched_process()};
  luaL_setmetatable(L, kind->type);
  return shared;
}

void kio_shared_enter(lua_State *L, const void *object) {
  push_known(L);
  lua_pushvalue(L, -2);
  lua_rawsetp(L, -2, object);
  lua_pop(L, 1);
}

void kio_shared_push(lua_State *L, const kio_shared_kind *kind, void *object) {
  push_known(L);
  lua_rawgetp(L, -1, object);
  lua_remove(L, -2);
  kio_shared *shared = lua_touserdata(L, -1);
  if (shared && shared->object == object) { /* else it is an earlier one's, finalized by hand */
    kind->unref(object);
    return;
  }
  lua_pop(L, 1);
  shared = kio_shared_push_empty(L, kind);
  kio_shared_enter(L, object);
  shared->object = object;
}

bool kio_shared_is_parents(const kio_shared *shared) {
  return shared->process != kio_sched_process();
}

kio_shared *kio_shared_self(lua_State *L, const kio_shared_kind *kind) {
  kio_shared *shared = lua_touserdata(L, 1);
  bool ours = shared && lua_rawlen(L, 1) == sizeof *shared && shared->kind == kind;
  if (!ours) luaL_typeerror(L, 1, kind->type);
  return shared;
}

kio_shared *kio_shared_check_any(lua_State *L, const kio_shared_kind *kind) {
  kio_shared *shared = kio_shared_self(L, kind);
  if (!shared->object) luaL_argerror(L, 1, "it was finalized");
  return shared;
}

kio_shared *kio_shared_check(lua_State *L, const kio_shared_kind *kind) {
  kio_shared *shared = kio_shared_check_any(L, kind);
  if (kio_shared_is_parents(shared)) luaL_argerror(L, 1, KIO_SHARED_PARENTS);
  return shared;
}

int kio_shared_l_gc(lua_State *L) {
  kio_shared *shared = NULL;
  if (kio_called_by_collector(L, 0)) shared = lua_touserdata(L, 1);
  if (!shared || !luaL_testudata(L, 1, shared->kind->type)) return 0;
  if (shared->object) shared->kind->unref(shared->object);
  shared->object = NULL;
  return 0;
}

int64_t kio_shared_timeout(lua_State *L, int index) {
  bool number = lua_type(L, index) == LUA_TNUMBER;
  return number ? kio_check_seconds(L, index) : kio_op_timeout(L, index);
}
