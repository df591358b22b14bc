/* Owns a table in each Lua state, from objects to their userdata, which it does not keep alive.
   Invariant: an object that is known has a userdata that holds a reference to it. Called by the
   thread of the Lua state. */
#include "worker/shared.h"

#include "op/op.h"
#include "op/registry.h"
#include "task/here.h"

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

/* The object of the userdata on top is known from now on. */
static void enter(lua_State *L, const void *object) {
  kio_assert(object && lua_isuserdata(L, -1));
  push_known(L);
  lua_pushvalue(L, -2);
  lua_rawsetp(L, -2, object);
  lua_pop(L, 1);
}

int kio_shared_put(lua_State *L, kio_shared *shared, void *object) {
  kio_assert(!shared->object);
  shared->object = object;
  if (!object) return luaL_error(L, "not enough memory");
  enter(L, object);
  return 1;
}

void kio_shared_push(lua_State *L, const kio_shared_kind *kind, void *object) {
  push_known(L);
  lua_rawgetp(L, -1, object);
  lua_remove(L, -2);
  kio_shared *shared = lua_touserdata(L, -1);
  if (shared && shared->object == object) { /* else it is an earlier one's, finalized by hand */
    kio_assert(shared->kind == kind);
    kind->moves.drop(object);
    return;
  }
  lua_pop(L, 1);
  shared = kio_shared_push_empty(L, kind);
  enter(L, object);
  shared->object = object;
}

bool kio_shared_is_parents(const kio_shared *shared) {
  return shared->process != kio_sched_process();
}

kio_shared *kio_shared_check_any(lua_State *L, const kio_shared_kind *kind) {
  kio_shared *shared = lua_touserdata(L, 1);
  bool ours = shared && lua_rawlen(L, 1) == sizeof *shared && shared->kind == kind;
  if (!ours) luaL_typeerror(L, 1, kind->type);
  if (!shared->object) luaL_argerror(L, 1, "it was finalized");
  return shared;
}

kio_shared *kio_shared_check(lua_State *L, const kio_shared_kind *kind) {
  kio_shared *shared = kio_shared_check_any(L, kind);
  if (kio_shared_is_parents(shared)) luaL_argerror(L, 1, KIO_SHARED_PARENTS);
  return shared;
}

const char *kio_shared_prepare(lua_State *L, int index, void **spare) {
  const kio_shared *shared = lua_touserdata(L, index);
  if (!shared->object) return "it was finalized";
  if (kio_shared_is_parents(shared)) return KIO_SHARED_PARENTS;
  *spare = shared->kind->ref(shared->object);
  return NULL;
}

void kio_shared_end(void *self) {
  kio_shared *shared = self;
  if (shared->object) shared->kind->moves.drop(shared->object);
  shared->object = NULL;
}

int kio_shared_l_tostring(lua_State *L) {
  const kio_type *type = kio_type_of(L, 1);
  luaL_argexpected(L, type && type->end == kio_shared_end, 1, "channel or event of threads");
  const kio_shared *shared = lua_touserdata(L, 1);
  if (!shared->object) lua_pushliteral(L, "finalized");
  else if (kio_shared_is_parents(shared)) lua_pushliteral(L, "the parent process'");
  else shared->kind->push_state(L, shared->object);
  lua_pushfstring(L, "%s (%s)", type->name, lua_tostring(L, -1));
  return 1;
}

int64_t kio_shared_timeout(lua_State *L, int index) {
  bool number = lua_type(L, index) == LUA_TNUMBER;
  return number ? kio_check_seconds(L, index) : kio_op_timeout(L, index);
}
