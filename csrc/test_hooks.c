/* Test builds only: what specs need to see and to break. */
#include "memory.h"
#include "ops.h"
#include "sched.h"

/* world() -> counters of what is alive outside a run; all are 0 in a clean world */
static int l_world(lua_State *L) {
  const kio_sched *sched = kio_sched_current();
  lua_createtable(L, 0, 2);
  lua_pushinteger(L, kio_memory_live());
  lua_setfield(L, -2, "blocks");
  lua_pushinteger(L, sched ? 1 : 0);
  lua_setfield(L, -2, "schedulers");
  return 1;
}

/* fail_memory(n): the n-th C allocation from now fails; 0: none */
static int l_fail_memory(lua_State *L) {
  kio_memory_fail_at((long)luaL_checkinteger(L, 1));
  return 0;
}

const luaL_Reg kio_test_ops[] = {
    {"world", l_world},
    {"fail_memory", l_fail_memory},
    {NULL, NULL},
};
