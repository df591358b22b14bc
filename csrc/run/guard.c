/* Owns the frame between a task and a function whose error goes to an on_error function. The frame:
   the message handler, then the function and its arguments, and after it its results or its error.
   The task still ends as failed, and whoever awaits it is given the error. */
#include "run/guard.h"

#include <stdio.h>

#include "op/op.h"
#include "task/here.h"
#include "task/queue.h"
#include "task/task.h"
#include "task/traceback.h"

enum { FUNCTION = 1, ON_ERROR, UNSEEN };               /* upvalues */
enum { HANDLER = 1, ERR, SELF, TRACEBACK, ERR_OF_IT }; /* the frame once the function has failed */

/* ---- the option ---- */

/* The function that stands for `true`: (err, traceback, task) */
static int l_print(lua_State *L) {
  lua_settop(L, 3);
  lua_getiuservalue(L, 3, KIO_TASK_UV_NAME);
  const char *name = lua_isstring(L, -1) ? kio_traceback_escape(L, KIO_ESCAPE_NAME) : NULL;
  kio_traceback_push_text(L, 1);
  const char *text = kio_traceback_escape(L, KIO_ESCAPE_TEXT);
  const char *traceback = lua_isstring(L, 2) ? lua_tostring(L, 2) : "";
  fprintf(stderr, "kio: task%s%s failed: %s\n%s\n", name ? " " : "", name ? name : "", text,
          traceback);
  return 0;
}

void kio_guard_option(lua_State *L, int index) {
  int type = kio_option(L, index, "on_error");
  luaL_argcheck(L, type == LUA_TNIL || type == LUA_TBOOLEAN || type == LUA_TFUNCTION, index,
                "option 'on_error' must be a function or a boolean");
  if (type != LUA_TBOOLEAN || !lua_toboolean(L, -1)) return;
  lua_pop(L, 1);
  lua_pushcfunction(L, l_print);
}

/* ---- the frame ---- */

/* Back to the function's own error, with the traceback it had. */
static int raise_again(lua_State *L) {
  lua_pushvalue(L, TRACEBACK);
  lua_setiuservalue(L, SELF, KIO_TASK_UV_TRACE);
  lua_pushvalue(L, ERR);
  lua_setiuservalue(L, SELF, KIO_TASK_UV_ERROR);
  if (lua_gettop(L) > ERR_OF_IT)
    kio_traceback_attach(L, SELF, "its on_error function", ERR_OF_IT, -1);
  lua_settop(L, ERR);
  return kio_traceback_raise_kept(L);
}

static int reported(lua_State *L, int status, lua_KContext ctx) {
  kio_task *task = lua_touserdata(L, SELF);
  (void)ctx;
  task->handled = status == LUA_OK || status == LUA_YIELD;
  if (!task->handled) lua_getiuservalue(L, SELF, KIO_TASK_UV_TRACE);
  return raise_again(L);
}

static int tell(lua_State *L, kio_task *task) {
  kio_task_push(L, task);
  lua_getiuservalue(L, SELF, KIO_TASK_UV_TRACE);
  lua_pushvalue(L, lua_upvalueindex(ON_ERROR));
  lua_pushvalue(L, ERR);
  lua_pushvalue(L, TRACEBACK);
  lua_pushvalue(L, SELF);
  return reported(L, lua_pcallk(L, 3, 0, HANDLER, 0, reported), 0);
}

static int ended(lua_State *L, int status, lua_KContext ctx) {
  kio_task *task = kio_sched_current()->current;
  (void)ctx;
  if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(L) - HANDLER;
  if (luaL_testudata(L, ERR, KIO_CANCELLED_TYPE)) return lua_error(L);
  bool seen = lua_toboolean(L, lua_upvalueindex(UNSEEN)) && !kio_queue_empty(&task->waiters);
  return seen ? kio_traceback_raise_kept(L) : tell(L, task);
}

static int l_guarded(lua_State *L) {
  lua_pushcfunction(L, kio_traceback_on_error);
  lua_insert(L, HANDLER);
  lua_pushvalue(L, lua_upvalueindex(FUNCTION));
  lua_insert(L, HANDLER + 1);
  int nargs = lua_gettop(L) - HANDLER - 1;
  return ended(L, lua_pcallk(L, nargs, LUA_MULTRET, HANDLER, 0, ended), 0);
}

void kio_guard_wrap(lua_State *L, int index, int handler, bool unseen) {
  lua_pushvalue(L, index);
  lua_pushvalue(L, handler);
  lua_pushboolean(L, unseen);
  lua_pushcclosure(L, l_guarded, UNSEEN);
  lua_replace(L, index);
}
