/* Owns the marks below the results of ended tasks, and the Cancelled value, which lies in the
   registry. Called by the scheduler's thread only. */
#include "task/result.h"

#include "task/task.h"

const char kio_task_tag;
static const char over_marks[2]; /* these mark the bottom of an ended task: failed, returned */
static const char cancelled_key; /* its address names the Cancelled value in the registry */

void kio_task_push_mark(lua_State *L, bool ok) {
  lua_pushlightuserdata(L, (void *)&over_marks[ok]);
}

bool kio_task_mark_of(lua_State *co, bool *ok) {
  const char *mark = lua_touserdata(co, 1);
  *ok = mark == &over_marks[true];
  return *ok || mark == &over_marks[false];
}

void kio_task_push_result(lua_State *L, kio_task *task, int i) {
  kio_assert(kio_task_ended(task));
  if (task->status == KIO_TASK_CANCELLED) { /* also one whose run ended before it did */
    kio_task_push_cancelled(L);
    return;
  }
  if (!lua_checkstack(task->co, 1)) luaL_error(L, "not enough memory");
  if (i < kio_task_result_count(task)) lua_pushvalue(task->co, 2 + i);
  else lua_pushnil(task->co); /* somebody has resumed it since */
  lua_xmove(task->co, L, 1);
}

int kio_task_push_results(lua_State *L, kio_task *task) {
  int count = kio_task_result_count(task);
  kio_assert(task->status == KIO_TASK_DONE);
  luaL_checkstack(L, count + 2, "too many results");
  if (!lua_checkstack(task->co, count)) luaL_error(L, "not enough memory");
  for (int i = 0; i < count; i++) lua_pushvalue(task->co, 2 + i);
  lua_xmove(task->co, L, count);
  return count;
}

int kio_task_result_count(const kio_task *task) {
  int top = task->co && kio_task_ended(task) ? lua_gettop(task->co) : 0;
  return top > 0 ? top - 1 : 0;
}

bool kio_task_is_over(lua_State *co) {
  bool ok;
  return lua_status(co) == LUA_OK && kio_task_mark_of(co, &ok);
}

/* ---- the Cancelled value ---- */

void kio_task_push_cancelled(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &cancelled_key);
}

int kio_task_raise_cancelled(lua_State *L) {
  kio_task_push_cancelled(L);
  return lua_error(L);
}

void kio_task_open(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &cancelled_key) != LUA_TNIL) return;
  lua_pop(L, 1);
  lua_newuserdatauv(L, 0, 0);
  luaL_setmetatable(L, KIO_CANCELLED_TYPE);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &cancelled_key);
}
