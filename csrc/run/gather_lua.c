/* Functions at the same time: what kio.all, kio.map and their like have in C. One list, which is
   nobody else's, has first the functions or values, then their tasks, then their results. Called in
   a task. */
#include <limits.h>

#include "op/op.h"
#include "op/registry.h"
#include "run/scope_lua.h"
#include "run/task_lua.h"
#include "task/here.h"
#include "task/result.h"
#include "task/task.h"

/* ---- the tasks ---- */

/* spawn_each(list, f | nil, scope [, numbered]) -> the list, with the tasks of f(value), or
   f(value, i), in the place of its values; without f of the values, which are functions */
static int l_spawn_each(lua_State *L) {
  enum { LIST = 1, F, SCOPE, NUMBERED, JOB };
  kio_scope *scope = kio_scope_check(L, SCOPE);
  luaL_checktype(L, LIST, LUA_TTABLE);
  kio_op_task(L);
  lua_settop(L, NUMBERED);
  kio_task *task = NULL;
  bool with_f = !lua_isnil(L, F), numbered = lua_toboolean(L, NUMBERED);
  lua_Integer n = (lua_Integer)lua_rawlen(L, LIST);
  for (lua_Integer i = 1; i <= n; i++) {
    if (with_f) lua_pushvalue(L, F);
    lua_rawgeti(L, LIST, i);
    if (numbered) lua_pushinteger(L, i);
    luaL_checktype(L, JOB, LUA_TFUNCTION);
    task = task ? kio_spawn_beside(L, task, JOB) : kio_spawn(L, scope->task->sched, scope, JOB);
    lua_rawseti(L, LIST, i);
  }
  lua_settop(L, LIST);
  return 1;
}

/* ---- their results ---- */

enum { LIST = KIO_SCOPE_RESULTS, FAILED, TASK, FIRST }; /* the frame when they have ended */

/* What task `i` has told as a failure goes into the table at FAILED, made when there is none. */
static void add_failure(lua_State *L, kio_task *task, lua_Integer i) {
  kio_task_push_result(L, task, 1);
  if (lua_isnil(L, -1)) return;
  if (lua_isnil(L, FAILED)) {
    lua_newtable(L);
    lua_replace(L, FAILED);
  }
  lua_createtable(L, 0, 2);
  lua_insert(L, -2);
  lua_setfield(L, -2, "message");
  kio_task_push_result(L, task, 2);
  lua_setfield(L, -2, "code");
  lua_rawseti(L, FAILED, i);
}

/* Pushes what becomes of task `i`, its first result. */
static void push_first(lua_State *L, kio_task *task, lua_Integer i) {
  bool returned = task->status == KIO_TASK_DONE && kio_task_result_count(task) > 0;
  if (returned) kio_task_push_result(L, task, 0);
  else lua_pushnil(L);
  if (returned && lua_isnil(L, FIRST)) {
    add_failure(L, task, i);
    lua_settop(L, FIRST);
  }
}

/* The list of tasks is that of all results: the first ones of each, and `n`; beside it, of those
   that gave nil and a message, { message =, code = } by number, or nil: none did. */
static int take_results(lua_State *L) {
  luaL_checktype(L, LIST, LUA_TTABLE);
  lua_settop(L, LIST);
  lua_pushnil(L);
  lua_Integer n = (lua_Integer)lua_rawlen(L, LIST);
  for (lua_Integer i = 1; i <= n; i++, lua_settop(L, FAILED)) {
    lua_rawgeti(L, LIST, i);
    push_first(L, kio_task_check(L, TASK), i);
    lua_rawseti(L, LIST, i);
  }
  lua_pushliteral(L, "n");
  lua_pushinteger(L, n);
  lua_rawset(L, LIST);
  return 2;
}

/* gather(list, f | nil) -> the list, with the first results of f(value), or of its functions, in
   the place of its values, and `n`; failures | nil. All have run at the same time, in a scope of
   their own. */
static int l_gather(lua_State *L) {
  kio_task *task = kio_op_begin_waiting(L);
  lua_settop(L, 2);
  lua_pushcfunction(L, l_spawn_each);
  lua_insert(L, 1);
  return kio_scope_run(L, task, take_results);
}

/* ---- kio.all ---- */

/* copy_functions(list) -> a copy of it | nil: there are others in it than functions, or it is no
   list */
static int l_copy_functions(lua_State *L) {
  enum { FROM = 1, COPY };
  if (lua_type(L, FROM) != LUA_TTABLE) return 0;
  lua_settop(L, FROM);
  lua_Integer n = (lua_Integer)lua_rawlen(L, FROM);
  lua_createtable(L, n < INT_MAX ? (int)n : 0, 1);
  for (lua_Integer i = 1; i <= n; i++) {
    if (lua_rawgeti(L, FROM, i) != LUA_TFUNCTION) return 0;
    lua_rawseti(L, COPY, i);
  }
  return 1;
}

const luaL_Reg kio_gather_own[] = {
    {"spawn_each", l_spawn_each},
    {"gather", l_gather},
    {"copy_functions", l_copy_functions},
    {NULL, NULL},
};
