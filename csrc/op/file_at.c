/* Reads of kio.File at an offset, on the straight path: a file that is open, seeks and has no rules
   of its own, arguments that are right, and no options. All else, with every refusal and its words,
   is the Lua half's (lua/kio/fs/file.lua), which is called in its place. Each function is a closure
   of what it needs from there. Called in a task. */
#include "op/buffer.h"
#include "op/file.h"
#include "op/misuse.h"
#include "op/op.h"
#include "op/registry.h"

/* Its upvalues: the class; the fields' names; the same in Lua; and how a file tells failures. */
enum {
  CLASS = lua_upvalueindex(1),
  WINDOW = lua_upvalueindex(2),
  STRAIGHT = lua_upvalueindex(3),
  SLOWLY = lua_upvalueindex(4),
  FAIL = lua_upvalueindex(5),
  NAME = lua_upvalueindex(6)
};
enum { UPVALUES = 6 };

static int returnk(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  return lua_gettop(L);
}

static int call_slowly(lua_State *L) {
  lua_pushvalue(L, SLOWLY);
  lua_insert(L, 1);
  lua_callk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, returnk);
  return returnk(L, LUA_OK, 0);
}

static bool is_file(lua_State *L) {
  if (!lua_istable(L, 1) || !lua_getmetatable(L, 1)) return false;
  bool is = lua_rawequal(L, -1, CLASS);
  lua_pop(L, 1);
  return is;
}

/* The descriptor of the file, for which nothing else is to be looked at; -1: there is. */
static int straight_fd(lua_State *L) {
  int fd;
  if (!is_file(L)) return -1;
  lua_pushvalue(L, WINDOW);
  lua_rawget(L, 1);
  if (!lua_istable(L, -1)) return (lua_pop(L, 1), -1);
  lua_pushvalue(L, STRAIGHT);
  lua_rawget(L, -2);
  bool has = !kio_read_fd(L, -1, &fd);
  lua_pop(L, 2);
  return has ? fd : -1;
}

/* Whether the argument is an integer from 0 to `most`. */
static bool read_count(lua_State *L, int index, lua_Integer most, size_t *count) {
  if (!lua_isinteger(L, index)) return false;
  lua_Integer n = lua_tointeger(L, index);
  *count = (size_t)n;
  return n >= 0 && n <= most;
}

/* nil, message, code on top are told as a file tells them. */
static int told(lua_State *L) {
  lua_pushvalue(L, FAIL);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, NAME);
  lua_rotate(L, -5, 3);
  lua_call(L, 4, KIO_FAILED);
  return KIO_FAILED;
}

static int preadk(lua_State *L, int status, lua_KContext ctx) {
  int count = kio_op_bytesk(L, status, ctx);
  return count == KIO_FAILED ? told(L) : count;
}

/* file:pread(n, offset) -> bytes | nil at the end */
static int l_pread(lua_State *L) {
  size_t size, offset;
  int fd = lua_gettop(L) == 3 ? straight_fd(L) : -1;
  bool right =
      fd >= 0 && read_count(L, 2, KIO_IO_MAX, &size) && read_count(L, 3, LUA_MAXINTEGER, &offset);
  if (!right) return call_slowly(L);
  kio_file_read(L, fd, size, offset, KIO_NEVER, preadk);
  return told(L);
}

static int pread_intok(lua_State *L, int status, lua_KContext ctx) {
  int count = kio_op_intok(L, status, ctx);
  return count == KIO_FAILED ? told(L) : count;
}

/* Whether the arguments from 2 on are an open buffer and a place and a size within it. */
static bool read_room(lua_State *L, const kio_view **view, size_t *at, size_t *size) {
  size_t place;
  *view = kio_view_at(L, 2);
  if (!*view || !(*view)->block) return false;
  lua_Integer room = (lua_Integer)(*view)->size;
  if (!read_count(L, 3, room, &place) || place == 0) return false;
  *at = place - 1;
  return read_count(L, 4, room - (lua_Integer)*at, size);
}

/* file:pread_into(buffer, at, max, offset) -> bytes read | nil at the end */
static int l_pread_into(lua_State *L) {
  const kio_view *view;
  size_t at, size, offset;
  int fd = lua_gettop(L) == 5 ? straight_fd(L) : -1;
  bool right =
      fd >= 0 && read_room(L, &view, &at, &size) && read_count(L, 5, LUA_MAXINTEGER, &offset);
  if (!right) return call_slowly(L);
  kio_file_read_into(L, fd, view, at, size, offset, KIO_NEVER, pread_intok);
  return told(L);
}

/* file_at(class, { pread = f, pread_into = f }, fail) : puts the methods into the class. `fail` is
   called as fail(file, method, message, code) and gives the three results. */
static int l_file_at(lua_State *L) {
  static const luaL_Reg methods[] = {{"pread", l_pread}, {"pread_into", l_pread_into}};
  for (size_t i = 0; i < KIO_COUNT(methods); i++) {
    lua_pushvalue(L, 1);
    lua_pushliteral(L, "window");
    lua_pushliteral(L, "straight");
    lua_getfield(L, 2, methods[i].name);
    lua_pushvalue(L, 3);
    lua_pushstring(L, methods[i].name);
    lua_pushcclosure(L, methods[i].func, UPVALUES);
    kio_misuse_adopt(L);
    lua_setfield(L, 1, methods[i].name);
  }
  return 0;
}

const luaL_Reg kio_file_own[] = {
    {"file_at", l_file_at},
    {NULL, NULL},
};
