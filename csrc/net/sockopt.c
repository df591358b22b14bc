/* Owns nothing: it carries values between Lua and the table in system/sockopt.c. None of this
   waits, and none of it needs a task. */
#include "net/sockopt.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <net/if.h>
#include <string.h>

#include "base/number.h"
#include "op/op.h"
#include "op/type.h"

/* ---- checking ---- */

/* How an option is called in the message of an argument error. */
static const char *quoted(lua_State *L, const char *name, const char *complaint) {
  return lua_pushfstring(L, "option '%s' %s", name, complaint);
}

/* The number on top, rounded up. */
static int number_on_top(lua_State *L, int arg, const char *name, int max, lua_Number unit) {
  luaL_argcheck(L, lua_type(L, -1) == LUA_TNUMBER, arg, quoted(L, name, "must be a number"));
  lua_Number value = lua_tonumber(L, -1) * unit;
  luaL_argcheck(L, value >= 0 && value <= max, arg, quoted(L, name, "is out of range"));
  return (int)ceil(value);
}

bool kio_read_number(lua_State *L, int index, const char *name, int max, int *out) {
  bool given = kio_option(L, index, name) != LUA_TNIL;
  int top = lua_gettop(L);
  if (given) *out = number_on_top(L, index, name, max, 1);
  luaL_argcheck(L, !given || *out == lua_tonumber(L, -1), index,
                quoted(L, name, "must be an integer"));
  lua_settop(L, top - 1);
  return given;
}

int kio_check_interface(lua_State *L, int index) {
  if (lua_isnoneornil(L, index)) return 0;
  if (lua_type(L, index) != LUA_TSTRING) {
    int number = kio_check_int(L, index);
    luaL_argcheck(L, number >= 0, index, "an interface's index cannot be negative");
    return number;
  }
  unsigned number = if_nametoindex(lua_tostring(L, index));
  return number > 0 && number <= INT_MAX ? (int)number : -1;
}

/* To linger any longer would hold up the whole loop in close(2). */
static int linger_on_top(lua_State *L, int arg) {
  bool off = lua_isboolean(L, -1) && !lua_toboolean(L, -1);
  bool reset = lua_type(L, -1) == LUA_TNUMBER && lua_tonumber(L, -1) == 0;
  luaL_argcheck(L, off || reset, arg,
                "option 'linger' must be false, or 0 to reset the connection at close; a close "
                "that waits for the output is what kio's does by itself");
  return off ? -1 : 0;
}

static int interface_on_top(lua_State *L, int arg) {
  int type = lua_type(L, -1);
  luaL_argcheck(L, type == LUA_TSTRING || lua_isinteger(L, -1), arg,
                "option 'multicast_interface' must be an interface's name or index");
  return kio_check_interface(L, lua_gettop(L));
}

/* The value on top of the stack, for `id`; `arg` is the argument that an error blames. */
static int value_on_top(lua_State *L, int arg, kio_sockopt_id id) {
  kio_assert(id < KIO_SOCKOPT_COUNT);
  const kio_sockopt *opt = &kio_sockopts[id];
  switch ((kio_sockopt_kind)opt->kind) {
  case KIO_SOCKOPT_FLAG:
    luaL_argcheck(L, lua_isboolean(L, -1), arg, quoted(L, opt->name, "must be true or false"));
    return lua_toboolean(L, -1);
  case KIO_SOCKOPT_RESET: return linger_on_top(L, arg);
  case KIO_SOCKOPT_INTERFACE: return interface_on_top(L, arg);
  case KIO_SOCKOPT_MILLISECONDS: return number_on_top(L, arg, opt->name, opt->max, 1000);
  case KIO_SOCKOPT_PROBES:
    if (lua_isboolean(L, -1) && !lua_toboolean(L, -1)) return 0;
    break;
  case KIO_SOCKOPT_NUMBER:
  case KIO_SOCKOPT_SECONDS: break;
  }
  return number_on_top(L, arg, opt->name, opt->max, 1);
}

/* ---- tables of options ---- */

void kio_read_socket_options(lua_State *L, int index, int use, const char *const *others,
                             kio_socket_options *out) {
  const char *known[KIO_SOCKOPT_COUNT + 8];
  size_t count = 0;
  if (lua_isnoneornil(L, index)) return;
  for (; others[count]; count++) known[count] = others[count];
  kio_assert(count < 8);
  for (int id = 0; id < KIO_SOCKOPT_COUNT; id++) {
    if (kio_sockopts[id].use & use) known[count++] = kio_sockopts[id].name;
  }
  known[count] = NULL;
  kio_check_options(L, index, known);
  int top = lua_gettop(L);
  for (int id = 0; id < KIO_SOCKOPT_COUNT; id++) {
    if (!(kio_sockopts[id].use & use)) continue;
    if (kio_option(L, index, kio_sockopts[id].name) != LUA_TNIL) {
      kio_socket_give(out, (kio_sockopt_id)id, value_on_top(L, index, (kio_sockopt_id)id));
    }
    lua_settop(L, top);
  }
}

/* ---- methods ---- */

static const char *no_handle(lua_State *L, int index) {
  bool named = luaL_getmetafield(L, index, "__name") == LUA_TSTRING;
  const char *kind = named ? lua_tostring(L, -1) : luaL_typename(L, index);
  return lua_pushfstring(L, "descriptor or handle expected, got %s", kind);
}

const char *kio_handle_ask(lua_State *L, int index, int *fd) {
  int type = lua_type(L, index);
  if (type == LUA_TNUMBER) return kio_read_fd(L, index, fd);
  bool asked = (type == LUA_TUSERDATA || type == LUA_TTABLE) &&
               lua_getfield(L, index, "fd") == LUA_TFUNCTION;
  *fd = -1;
  if (!asked) return no_handle(L, index);
  lua_pushvalue(L, index);
  lua_call(L, 1, 1);
  if (lua_isinteger(L, -1)) *fd = kio_number_meant(lua_tointeger(L, -1));
  lua_pop(L, 1);
  return NULL;
}

bool kio_handle_is_kios(lua_State *L, int index) {
  if (!kio_type_of(L, index)) return false;
  lua_getfield(L, index, "fd"); /* a program may have put another one there */
  bool ours = lua_iscfunction(L, -1);
  lua_pop(L, 1);
  return ours;
}

int kio_handle_fd(lua_State *L, int index) {
  int fd;
  const char *wrong = kio_handle_ask(L, index, &fd);
  luaL_argcheck(L, !wrong, index, wrong);
  return fd;
}

static int push_value(lua_State *L, const kio_sockopt *opt, int value) {
  bool none = (opt->kind == KIO_SOCKOPT_PROBES && value == 0) || value < 0;
  if (opt->kind == KIO_SOCKOPT_FLAG) lua_pushboolean(L, value);
  else if (none) lua_pushboolean(L, false);
  else if (opt->kind == KIO_SOCKOPT_MILLISECONDS) lua_pushnumber(L, value / 1000.0);
  else lua_pushinteger(L, value);
  return 1;
}

/* socket:option(name) -> value; socket:option(name, value) -> socket */
static int l_option(lua_State *L) {
  const char *name = luaL_checkstring(L, 2);
  kio_takes(L, 3);
  kio_sockopt_id id = kio_sockopt_named(name);
  int value, top = lua_gettop(L);
  if (id == KIO_SOCKOPT_COUNT) return luaL_error(L, "unknown option '%s'", name);
  if (top == 3) value = value_on_top(L, 3, id);
  int fd = kio_handle_fd(L, 1);
  if (fd < 0) return kio_fail_text(L, "EBADF", "option", name, "the socket is closed");
  int err = top == 3 ? kio_sockopt_set(fd, id, value) : kio_sockopt_get(fd, id, &value);
  if (err) return kio_fail(L, -err, "option", name);
  if (top < 3) return push_value(L, &kio_sockopts[id], value);
  lua_settop(L, 1);
  return 1;
}

/* socket:credentials() -> { pid =, uid =, gid = } of who connected, or listened: unix(7),
   SO_PEERCRED */
static int l_credentials(lua_State *L) {
  kio_takes(L, 1);
  kio_sockaddr address;
  struct ucred who;
  socklen_t size = sizeof who;
  int fd = kio_handle_fd(L, 1);
  if (fd < 0) {
    lua_pushnil(L);
    lua_pushliteral(L, "credentials: the socket is closed");
    lua_pushliteral(L, "EBADF");
    return 3;
  }
  int err = kio_socket_local(fd, &address);
  if (!err && address.as.any.sa_family != AF_UNIX) err = -EOPNOTSUPP;
  if (!err && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) err = -errno;
  if (!err && who.pid == 0 && who.uid == (uid_t)-1) err = -ENOTCONN;
  if (err) return kio_fail_fd(L, -err, "credentials", fd);
  lua_createtable(L, 0, 3);
  kio_set_integer(L, "pid", who.pid);
  kio_set_integer(L, "uid", who.uid);
  kio_set_integer(L, "gid", who.gid);
  return 1;
}

const luaL_Reg kio_socket_methods[] = {
    {"option", l_option},
    {"credentials", l_credentials},
    {NULL, NULL},
};
