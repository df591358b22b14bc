/* Owns the user values TRACE, ERROR and CAUSE of tasks. Called in the running task. */
#include "trace.h"

#include "sched.h"

enum { ERR = 1, TASK, TRACE, CAUSE }; /* the handler's stack */

static bool same_as_user_value(lua_State *L, int value) {
  lua_getiuservalue(L, TASK, value);
  bool same = lua_rawequal(L, -1, ERR);
  lua_pop(L, 1);
  return same;
}

/* When the error is that of an awaited task, that one's traceback goes below this one's. */
static void append_cause(lua_State *L) {
  if (lua_getiuservalue(L, TASK, KIO_TASK_UV_CAUSE) != LUA_TUSERDATA) return;
  kio_task_push_result(L, lua_touserdata(L, CAUSE), 0);
  bool same = lua_rawequal(L, -1, ERR);
  if (!same || lua_getiuservalue(L, CAUSE, KIO_TASK_UV_TRACE) != LUA_TSTRING) return;
  lua_pushfstring(L, "%s\nof a task awaited there, %s", lua_tostring(L, TRACE),
                  lua_tostring(L, -1));
  lua_replace(L, TRACE);
}

int kio_trace_on_error(lua_State *L) {
  kio_sched *sched = kio_sched_current();
  if (!sched || !sched->current || luaL_testudata(L, ERR, KIO_CANCELLED_TYPE)) return 1;
  bool kept = sched->current->reraised;
  sched->current->reraised = false;
  lua_rawgetp(L, LUA_REGISTRYINDEX, sched->current);
  if (!kept || !same_as_user_value(L, KIO_TASK_UV_ERROR)) {
    luaL_traceback(L, L, NULL, 1);
    append_cause(L);
    lua_settop(L, TRACE);
    lua_setiuservalue(L, TASK, KIO_TASK_UV_TRACE);
    lua_pushvalue(L, ERR);
    lua_setiuservalue(L, TASK, KIO_TASK_UV_ERROR);
  }
  lua_settop(L, ERR);
  return 1;
}

int kio_trace_raise_kept(lua_State *L) {
  kio_sched_current()->current->reraised = true;
  return lua_error(L);
}

int kio_trace_raise_of(lua_State *L, int index) {
  index = lua_absindex(L, index);
  lua_rawgetp(L, LUA_REGISTRYINDEX, kio_sched_current()->current);
  lua_pushvalue(L, index);
  lua_setiuservalue(L, -2, KIO_TASK_UV_CAUSE);
  kio_task_push_result(L, lua_touserdata(L, index), 0);
  return lua_error(L);
}

/* Adds `value` (on top, popped) to the list err.suppressed, when the error at `err` is a table. */
static void add_suppressed(lua_State *L, int err) {
  if (!lua_istable(L, err)) {
    lua_pop(L, 1);
    return;
  }
  lua_pushliteral(L, "suppressed");
  if (lua_rawget(L, err) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_createtable(L, 1, 0);
    lua_pushliteral(L, "suppressed");
    lua_pushvalue(L, -2);
    lua_rawset(L, err);
  }
  lua_insert(L, -2);
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  lua_pop(L, 1);
}

void kio_trace_attach(lua_State *L, int task, int other) {
  int top = lua_gettop(L);
  if (task == 0) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, kio_sched_current()->current);
    lua_getiuservalue(L, -1, KIO_TASK_UV_ERROR);
  } else {
    lua_pushvalue(L, task);
    kio_task_push_result(L, lua_touserdata(L, task), 0);
  }
  kio_task_push_result(L, lua_touserdata(L, other), 0); /* top+1: task, top+2: error, top+3: other */
  lua_getiuservalue(L, top + 1, KIO_TASK_UV_TRACE);
  const char *trace = lua_isstring(L, -1) ? lua_tostring(L, -1) : "";
  lua_pushfstring(L, "%s\nand another task of its scope failed: %s", trace,
                  luaL_tolstring(L, top + 3, NULL));
  lua_setiuservalue(L, top + 1, KIO_TASK_UV_TRACE);
  lua_pushvalue(L, top + 3);
  add_suppressed(L, top + 2);
  lua_settop(L, top);
}
