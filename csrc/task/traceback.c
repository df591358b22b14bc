/* Owns the user values TRACEBACK, ERROR and CAUSE of tasks. Called in the running task. */
#include "task/traceback.h"

#include "base/config.h"
#include "task/here.h"
#include "task/result.h"
#include "task/sched_tree.h"
#include "task/task.h"

enum { ERR = 1, TASK, TRACEBACK, CAUSE }; /* the handler's stack */
enum { ATTACHED_MAX = 8 }; /* errors that gave way: so many are told with tracebacks, */
enum { LISTED_MAX = 100 }; /* and so many are listed in the one that did not */
enum { FIELDS_MAX = 8 };   /* of a table without a message so many are shown */

const char *kio_traceback_escape(lua_State *L, kio_escape_kind kind) {
  luaL_Buffer out;
  size_t size;
  const char *text = lua_tolstring(L, -1, &size);
  char *at = luaL_buffinitsize(L, &out, kio_escape_room(size));
  size_t used = kio_escape(at, kio_escape_room(size), text, size, kind);
  luaL_pushresultsize(&out, used);
  lua_remove(L, -2);
  return lua_tostring(L, -1);
}

void kio_traceback_push(lua_State *L, lua_State *co, int level) {
  luaL_traceback(L, co, NULL, level);
  kio_traceback_escape(L, KIO_ESCAPE_TEXT);
}

static bool same_as_user_value(lua_State *L, int value) {
  lua_getiuservalue(L, TASK, value);
  bool same = lua_rawequal(L, -1, ERR);
  lua_pop(L, 1);
  return same;
}

/* Pushes the traceback at `index`, without its middle when it is long: in a chain of tasks each
   repeats those of all that it awaits. Its ends tell most. */
static void push_shortened(lua_State *L, int index) {
  size_t size;
  const char *text = lua_tolstring(L, index, &size);
  if (size <= KIO_TRACEBACK_MAX) {
    lua_pushvalue(L, index);
    return;
  }
  lua_pushlstring(L, text, KIO_TRACEBACK_MAX / 2);
  lua_pushliteral(L, "\n\t... (the middle of a long chain is left out)\n");
  lua_pushlstring(L, text + size - KIO_TRACEBACK_MAX / 2, KIO_TRACEBACK_MAX / 2);
  lua_concat(L, 3);
}

/* When the error is that of an awaited task, that one's traceback goes below this one's. */
static void append_cause(lua_State *L) {
  if (lua_getiuservalue(L, TASK, KIO_TASK_UV_CAUSE) != LUA_TUSERDATA) return;
  kio_task_push_result(L, lua_touserdata(L, CAUSE), 0);
  bool same = lua_rawequal(L, -1, ERR);
  if (!same || lua_getiuservalue(L, CAUSE, KIO_TASK_UV_TRACE) != LUA_TSTRING) return;
  push_shortened(L, lua_gettop(L));
  lua_pushfstring(L, "%s\nof a task awaited there, %s", lua_tostring(L, TRACEBACK),
                  lua_tostring(L, -1));
  lua_replace(L, TRACEBACK);
}

/* Its own cancellation is no error; that of a task it has awaited is one. */
static bool unwinds(lua_State *L, const kio_task *task) {
  return luaL_testudata(L, ERR, KIO_CANCELLED_TYPE) && kio_task_is_cancelled(task);
}

/* Pushes the traceback of the running task, with where it comes from below where it is. */
static void push_traceback(lua_State *L, const kio_task *task, int level) {
  luaL_traceback(L, L, NULL, level);
  if (task->origin.line > 0) {
    lua_pushfstring(L, "%s\n\tin a task spawned at %s:%d", lua_tostring(L, -1), task->origin.file,
                    task->origin.line);
    lua_remove(L, -2);
  }
  kio_traceback_escape(L, KIO_ESCAPE_TEXT);
}

int kio_traceback_on_error(lua_State *L) {
  kio_sched *sched = kio_sched_current();
  if (!sched || !sched->current || unwinds(L, sched->current)) return 1;
  bool kept = sched->current->reraised;
  sched->current->reraised = false;
  kio_task_push(L, sched->current);
  if (!kept || !same_as_user_value(L, KIO_TASK_UV_ERROR)) {
    push_traceback(L, sched->current, 1);
    append_cause(L);
    lua_settop(L, TRACEBACK);
    lua_setiuservalue(L, TASK, KIO_TASK_UV_TRACE);
    lua_pushvalue(L, ERR);
    lua_setiuservalue(L, TASK, KIO_TASK_UV_ERROR);
  }
  lua_settop(L, ERR);
  return 1;
}

int kio_traceback_raise_kept(lua_State *L) {
  kio_sched_current()->current->reraised = true;
  return lua_error(L);
}

int kio_traceback_raise_of(lua_State *L, int index) {
  index = lua_absindex(L, index);
  const kio_sched *sched = kio_sched_current();
  if (sched && sched->current) {
    kio_task_push(L, sched->current);
    lua_pushvalue(L, index);
    lua_setiuservalue(L, -2, KIO_TASK_UV_CAUSE);
  }
  kio_task_push_result(L, lua_touserdata(L, index), 0);
  return lua_error(L);
}

/* Outside a task there is no place for a traceback but a message. */
static int raise_outside(lua_State *L, int traceback) {
  bool both = lua_type(L, -1) == LUA_TSTRING && lua_type(L, traceback) == LUA_TSTRING;
  if (both) lua_pushfstring(L, "%s\n%s", lua_tostring(L, -1), lua_tostring(L, traceback));
  return lua_error(L);
}

int kio_traceback_raise_sent(lua_State *L, int traceback, const char *where) {
  int err = lua_gettop(L);
  const kio_sched *sched = kio_sched_current();
  traceback = lua_absindex(L, traceback);
  if (!sched || !sched->current) return raise_outside(L, traceback);
  kio_task_push(L, sched->current);
  push_traceback(L, sched->current, 0);
  if (lua_type(L, traceback) == LUA_TSTRING) {
    lua_pushfstring(L, "%s\nof a function run by %s, %s", lua_tostring(L, -1), where,
                    lua_tostring(L, traceback));
  }
  lua_setiuservalue(L, err + 1, KIO_TASK_UV_TRACE);
  lua_pushvalue(L, err);
  lua_setiuservalue(L, err + 1, KIO_TASK_UV_ERROR);
  lua_settop(L, err);
  return kio_traceback_raise_kept(L);
}

/* Adds "name = value" to the text on top of the stack when the value is a scalar. */
static bool add_field(lua_State *L, int value, const char *name) {
  int type = lua_type(L, value);
  if (type != LUA_TSTRING && type != LUA_TNUMBER && type != LUA_TBOOLEAN) return false;
  luaL_tolstring(L, value, NULL);
  lua_pushfstring(L, "%s, %s = %s", lua_tostring(L, -2), name, lua_tostring(L, -1));
  lua_replace(L, -3);
  lua_pop(L, 1);
  return true;
}

/* A table that does not say how it is to be shown: its message and its code, or else some of its
   fields. Read raw: no code of the program's runs. */
static void push_fields(lua_State *L, int table) {
  lua_pushliteral(L, "message");
  if (lua_rawget(L, table) == LUA_TSTRING) {
    lua_pushliteral(L, "code");
    int type = lua_rawget(L, table);
    bool coded = type == LUA_TSTRING || type == LUA_TNUMBER;
    if (coded) lua_pushfstring(L, "%s (%s)", lua_tostring(L, -2), lua_tostring(L, -1));
    else lua_pop(L, 1);
    return;
  }
  int count = 0, text = lua_gettop(L);
  lua_pushfstring(L, "table: %p", lua_topointer(L, table));
  lua_replace(L, text);
  for (lua_pushnil(L); lua_next(L, table) && count < FIELDS_MAX; lua_settop(L, text + 1)) {
    if (lua_type(L, text + 1) != LUA_TSTRING) continue;
    lua_pushvalue(L, text);
    if (add_field(L, text + 2, lua_tostring(L, text + 1))) count++;
    lua_replace(L, text);
  }
  lua_settop(L, text);
}

static int l_text(lua_State *L) {
  if (lua_istable(L, 1) && luaL_getmetafield(L, 1, "__tostring") == LUA_TNIL) push_fields(L, 1);
  else luaL_tolstring(L, 1, NULL);
  return 1;
}

const char *kio_traceback_push_text(lua_State *L, int index) {
  index = lua_absindex(L, index);
  luaL_checkstack(L, 3, NULL);
  lua_pushcfunction(L, l_text);
  lua_pushvalue(L, index);
  if (lua_pcall(L, 1, 1, 0) == LUA_OK) return lua_tostring(L, -1);
  lua_pop(L, 1);
  return lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, index));
}

/* ---- errors that gave way ---- */

void kio_traceback_push_running(lua_State *L, int err) {
  err = lua_absindex(L, err);
  kio_task_push(L, kio_sched_current()->current);
  lua_getiuservalue(L, -1, KIO_TASK_UV_ERROR);
  bool same = lua_rawequal(L, -1, err);
  lua_pop(L, 1);
  if (same) return;
  push_traceback(L, kio_sched_current()->current, 0); /* another error was caught since */
  lua_setiuservalue(L, -2, KIO_TASK_UV_TRACE);
  lua_pushvalue(L, err);
  lua_setiuservalue(L, -2, KIO_TASK_UV_ERROR);
}

void kio_traceback_take(lua_State *L, kio_sched *sched, kio_list *failures) {
  kio_task *task = KIO_CONTAINER(kio_list_pop(failures), kio_task, link);
  kio_assert(task->status == KIO_TASK_FAILED);
  kio_task_push(L, task);
  kio_sched_forget(sched, task);
}

static void push_error(lua_State *L, int index) {
  kio_task *task = lua_touserdata(L, index);
  if (kio_task_ended(task)) kio_task_push_result(L, task, 0);
  else lua_getiuservalue(L, index, KIO_TASK_UV_ERROR);
}

/* Pushes the list err.suppressed, made when there is none. */
static void push_suppressed(lua_State *L, int err) {
  lua_pushliteral(L, "suppressed");
  if (lua_rawget(L, err) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_createtable(L, 1, 0);
  lua_pushliteral(L, "suppressed");
  lua_pushvalue(L, -2);
  lua_rawset(L, err);
}

/* One error value that is raised again and again must not grow for ever. */
static void list_suppressed(lua_State *L, int err, int other) {
  if (!lua_istable(L, err) || lua_rawequal(L, err, other)) return;
  push_suppressed(L, err);
  lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
  if (count < LISTED_MAX) {
    lua_pushvalue(L, other);
    lua_rawseti(L, -2, count + 1);
  }
  lua_pop(L, 1);
}

static const char *traceback_text(lua_State *L, int index) {
  return lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : "";
}

static void add_text(lua_State *L, int task, const char *who, int err, int traceback) {
  lua_getiuservalue(L, task, KIO_TASK_UV_TRACE);
  const char *own = traceback_text(L, -1);
  kio_traceback_push_text(L, err);
  const char *text = kio_traceback_escape(L, KIO_ESCAPE_TEXT);
  lua_pushfstring(L, "%s\nand %s failed: %s\n%s", own, who, text, traceback_text(L, traceback));
  lua_setiuservalue(L, task, KIO_TASK_UV_TRACE);
  lua_pop(L, 2);
}

void kio_traceback_attach(lua_State *L, int task, const char *who, int err, int traceback) {
  task = lua_absindex(L, task);
  err = lua_absindex(L, err);
  luaL_checkstack(L, 8, "too many results");
  push_error(L, task);
  list_suppressed(L, lua_gettop(L), err);
  lua_pop(L, 1);
  add_text(L, task, who, err, lua_absindex(L, traceback));
}

void kio_traceback_attach_all(lua_State *L, kio_sched *sched, int task, kio_list *failures) {
  int count = 0;
  task = lua_absindex(L, task);
  luaL_checkstack(L, 8, "too many results");
  push_error(L, task);
  for (int top = lua_gettop(L); !kio_list_empty(failures); lua_settop(L, top)) {
    kio_traceback_take(L, sched, failures);
    push_error(L, top + 1);
    list_suppressed(L, top, top + 2);
    lua_getiuservalue(L, top + 1, KIO_TASK_UV_TRACE);
    if (++count <= ATTACHED_MAX) add_text(L, task, "another task of its scope", top + 2, top + 3);
  }
  if (count > ATTACHED_MAX) {
    lua_getiuservalue(L, task, KIO_TASK_UV_TRACE);
    lua_pushfstring(L, "%s\nand %d more", traceback_text(L, -1), count - ATTACHED_MAX);
    lua_setiuservalue(L, task, KIO_TASK_UV_TRACE);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}
