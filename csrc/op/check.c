/* Owns nothing: the argument checks every operation shares. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/config.h"
#include "base/number.h"
#include "op/op.h"
#include "task/traceback.h"

/* A loop gives its control variable to whatever function it is over:
   `for value in channel.receive, channel do`. */
static bool is_iterator(lua_State *L) {
  lua_Debug frame;
  bool known = lua_getstack(L, 0, &frame) && lua_getinfo(L, "n", &frame) && frame.name;
  return known && strcmp(frame.namewhat, "for iterator") == 0;
}

void kio_check_excess(lua_State *L, int most) {
  if (is_iterator(L)) {
    lua_settop(L, most);
    return;
  }
  for (int i = lua_gettop(L); i > most; i--) {
    if (!lua_isnil(L, i)) luaL_argerror(L, i, "too many arguments");
  }
}

/* luaL_checkinteger, in one call where it is one. */
static inline lua_Integer check_integer(lua_State *L, int index) {
  int is_integer;
  lua_Integer number = lua_tointegerx(L, index, &is_integer);
  return is_integer ? number : luaL_checkinteger(L, index); /* which raises */
}

int kio_check_int(lua_State *L, int index) {
  lua_Integer n = check_integer(L, index);
  luaL_argcheck(L, n >= INT_MIN && n <= INT_MAX, index, "number out of range");
  return (int)n;
}

const char *kio_read_fd(lua_State *L, int index, int *fd) {
  int is_integer;
  lua_Integer number = lua_tointegerx(L, index, &is_integer);
  *fd = -1;
  if (!is_integer) return "a file descriptor is an integer";
  if (number < 0) return "a file descriptor cannot be negative";
  *fd = kio_number_meant(number);
  return *fd < 0 ? "file descriptor out of range" : NULL;
}

int kio_check_fd(lua_State *L, int index) {
  int fd;
  const char *wrong = kio_read_fd(L, index, &fd);
  if (!wrong) return fd;
  luaL_checkinteger(L, index); /* what is no integer is told as everywhere */
  return luaL_argerror(L, index, wrong);
}

size_t kio_check_size(lua_State *L, int index) {
  lua_Integer size = check_integer(L, index);
  luaL_argcheck(L, size >= 0, index, "a number of bytes cannot be negative");
  luaL_argcheck(L, size <= KIO_IO_MAX, index, "more bytes than one operation can move (2 GiB)");
  return (size_t)size;
}

bool kio_check_address(lua_State *L, int index, const char *what, kio_sockaddr *address) {
  size_t size;
  const char *text = luaL_checklstring(L, index, &size);
  const char *wrong = kio_address_parse(text, size, address);
  if (wrong) kio_fail_text(L, "EINVAL", what, text, wrong);
  return !wrong;
}

uint64_t kio_check_offset(lua_State *L, int index) {
  lua_Integer offset = check_integer(L, index);
  luaL_argcheck(L, offset >= 0, index, "an offset cannot be negative");
  return (uint64_t)offset;
}

const char *kio_check_data(lua_State *L, int index, size_t *size) {
  if (lua_type(L, index) != LUA_TSTRING) luaL_typeerror(L, index, "string");
  const char *data = lua_tolstring(L, index, size);
  luaL_argcheck(L, *size <= KIO_IO_MAX, index, "a string of 2 GiB or more: write it in pieces");
  return data;
}

const char *kio_check_path(lua_State *L, int index) {
  size_t size;
  const char *path = luaL_checklstring(L, index, &size);
  luaL_argcheck(L, strlen(path) == size, index, "a path cannot contain a zero byte");
  return path;
}

int64_t kio_seconds_to_ns(lua_Number seconds) {
  lua_Number ns = ceil(seconds * (lua_Number)KIO_NS_PER_SEC);
  return ns < (lua_Number)KIO_NEVER ? (int64_t)ns : KIO_NEVER;
}

int64_t kio_check_seconds(lua_State *L, int index) {
  lua_Number seconds = luaL_checknumber(L, index);
  luaL_argcheck(L, seconds >= 0, index, "a time in seconds cannot be negative or NaN");
  return kio_seconds_to_ns(seconds);
}

unsigned kio_check_list(lua_State *L, int index) {
  luaL_checktype(L, index, LUA_TTABLE);
  lua_Unsigned count = lua_rawlen(L, index);
  luaL_argcheck(L, count > 0, index, "an empty list");
  luaL_argcheck(L, count <= KIO_IOV_MAX, index, "more than 1024 pieces");
  return (unsigned)count;
}

void kio_push_strings(lua_State *L, int index, unsigned count) {
  size_t size, total = 0;
  luaL_checkstack(L, (int)count + 8, "too many pieces");
  for (unsigned i = 1; i <= count; i++) {
    if (lua_rawgeti(L, index, i) != LUA_TSTRING) {
      luaL_argerror(L, index, "every piece must be a string");
    }
    lua_tolstring(L, -1, &size);
    total += size;
    luaL_argcheck(L, total <= KIO_IO_MAX, index, "strings of 2 GiB or more: write them in pieces");
  }
}

void kio_fill_iovecs(lua_State *L, int first, unsigned count, struct iovec *iov) {
  for (unsigned i = 0; i < count; i++) {
    size_t size;
    const char *data = lua_tolstring(L, first + (int)i, &size);
    iov[i] = (struct iovec){(void *)(uintptr_t)data, size};
  }
}

static bool is_known(const char *key, const char *const *known) {
  while (*known && strcmp(*known, key) != 0) known++;
  return *known != NULL;
}

static void check_keys(lua_State *L, int index, const char *const *known, bool has_list) {
  luaL_checktype(L, index, LUA_TTABLE);
  lua_pushnil(L);
  while (lua_next(L, index)) {
    lua_pop(L, 1);
    if (has_list && lua_isinteger(L, -1)) continue;
    bool named = lua_type(L, -1) == LUA_TSTRING;
    if (named && is_known(lua_tostring(L, -1), known)) continue;
    const char *text = kio_traceback_push_text(L, -1);
    luaL_argerror(L, index, lua_pushfstring(L, "unknown option '%s'", text));
  }
}

void kio_check_options(lua_State *L, int index, const char *const *known) {
  check_keys(L, index, known, false);
}

void kio_check_named_options(lua_State *L, int index, const char *const *known) {
  check_keys(L, index, known, true);
}

/* A walk, for to look a name up allocates it, and the collector runs finalizers then: between the
   check of one argument and its use no code of the program's may run. */
int kio_option(lua_State *L, int index, const char *name) {
  index = lua_absindex(L, index);
  lua_pushnil(L);
  while (lua_next(L, index)) {
    if (lua_type(L, -2) == LUA_TSTRING && strcmp(lua_tostring(L, -2), name) == 0) {
      lua_remove(L, -2);
      return lua_type(L, -1);
    }
    lua_pop(L, 1);
  }
  lua_pushnil(L);
  return LUA_TNIL;
}

int64_t kio_option_timeout(lua_State *L, int index, int64_t otherwise) {
  int64_t timeout = otherwise;
  if (kio_option(L, index, "timeout") != LUA_TNIL) {
    luaL_argcheck(L, lua_type(L, -1) == LUA_TNUMBER, index, "option 'timeout' must be a number");
    lua_Number seconds = lua_tonumber(L, -1);
    luaL_argcheck(L, seconds >= 0, index, "option 'timeout' cannot be negative or NaN");
    timeout = kio_seconds_to_ns(seconds);
  }
  lua_pop(L, 1);
  return timeout;
}

int64_t kio_op_read_timeout(lua_State *L, int index, int64_t otherwise) {
  static const char *const known[] = {"timeout", NULL};
  kio_takes(L, index);
  if (lua_isnoneornil(L, index)) return otherwise;
  kio_check_options(L, index, known);
  return kio_option_timeout(L, index, otherwise);
}

int kio_op_set_timeout(lua_State *L, int64_t *timeout_ns) {
  kio_takes(L, 2);
  *timeout_ns = lua_isnoneornil(L, 2) ? KIO_NEVER : kio_check_seconds(L, 2);
  lua_settop(L, 1);
  return 1;
}
