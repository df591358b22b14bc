/* What busted and the specs use of three libraries in C, that are rarely there for Lua 5.5: lfs,
   system and term. Each is opened from a link of its name to this one object. */
#include <dirent.h>
#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int failed(lua_State *L, const char *what) {
  int err = errno;
  lua_pushnil(L);
  lua_pushfstring(L, "%s: %s", what, strerror(err));
  lua_pushinteger(L, err);
  return 3;
}

static int outcome(lua_State *L, int result, const char *what) {
  if (result != 0) return failed(L, what);
  lua_pushboolean(L, 1);
  return 1;
}

/* ---- lfs ---- */

static const char *type_of(mode_t mode) {
  switch (mode & S_IFMT) {
  case S_IFREG: return "file";
  case S_IFDIR: return "directory";
  case S_IFLNK: return "link";
  case S_IFSOCK: return "socket";
  case S_IFIFO: return "named pipe";
  case S_IFCHR: return "char device";
  case S_IFBLK: return "block device";
  default: return "other";
  }
}

static void set_integer(lua_State *L, const char *name, lua_Integer value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

static void push_attributes(lua_State *L, const struct stat *st) {
  char text[] = "rwxrwxrwx";
  for (int i = 0; i < 9; i++) {
    if (!(st->st_mode & (0400u >> i))) text[i] = '-';
  }
  lua_newtable(L);
  lua_pushstring(L, type_of(st->st_mode));
  lua_setfield(L, -2, "mode");
  lua_pushstring(L, text);
  lua_setfield(L, -2, "permissions");
  set_integer(L, "size", st->st_size);
  set_integer(L, "ino", (lua_Integer)st->st_ino);
  set_integer(L, "access", st->st_atime);
  set_integer(L, "modification", st->st_mtime);
  set_integer(L, "change", st->st_ctime);
}

static void add_target(lua_State *L, const char *path) {
  char target[4096];
  ssize_t size = readlink(path, target, sizeof target);
  if (size < 0) return;
  lua_pushlstring(L, target, (size_t)size);
  lua_setfield(L, -2, "target");
}

/* attributes(path [, name]) -> all of them, or that one */
static int attributes(lua_State *L, int (*look)(const char *, struct stat *)) {
  struct stat st;
  const char *path = luaL_checkstring(L, 1), *name = luaL_optstring(L, 2, NULL);
  if (look(path, &st) != 0) return failed(L, path);
  push_attributes(L, &st);
  if (look == lstat) add_target(L, path);
  if (name) lua_getfield(L, -1, name);
  return 1;
}

static int l_attributes(lua_State *L) {
  return attributes(L, stat);
}

static int l_symlinkattributes(lua_State *L) {
  return attributes(L, lstat);
}

static int l_next_name(lua_State *L) {
  lua_Integer n = lua_tointeger(L, lua_upvalueindex(2)) + 1;
  lua_pushinteger(L, n);
  lua_replace(L, lua_upvalueindex(2));
  lua_geti(L, lua_upvalueindex(1), n);
  return 1;
}

static int l_dir(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  DIR *dir = opendir(path);
  if (!dir) return luaL_error(L, "cannot open %s: %s", path, strerror(errno));
  lua_newtable(L);
  const struct dirent *entry;
  for (lua_Integer n = 1; (entry = readdir(dir)); n++) {
    lua_pushstring(L, entry->d_name);
    lua_seti(L, -2, n);
  }
  closedir(dir);
  lua_pushinteger(L, 0);
  lua_pushcclosure(L, l_next_name, 2);
  return 1;
}

static int l_mkdir(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  return outcome(L, mkdir(path, 0777), path);
}

static int l_rmdir(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  return outcome(L, rmdir(path), path);
}

static int l_chdir(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  return outcome(L, chdir(path), path);
}

static int l_currentdir(lua_State *L) {
  char path[4096];
  if (!getcwd(path, sizeof path)) return failed(L, "getcwd");
  lua_pushstring(L, path);
  return 1;
}

/* link(old, new [, symbolic]) */
static int l_link(lua_State *L) {
  const char *old = luaL_checkstring(L, 1), *path = luaL_checkstring(L, 2);
  return outcome(L, lua_toboolean(L, 3) ? symlink(old, path) : link(old, path), path);
}

LUALIB_API int luaopen_lfs(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"attributes", l_attributes},
      {"symlinkattributes", l_symlinkattributes},
      {"dir", l_dir},
      {"mkdir", l_mkdir},
      {"rmdir", l_rmdir},
      {"chdir", l_chdir},
      {"currentdir", l_currentdir},
      {"link", l_link},
      {NULL, NULL},
  };
  luaL_newlib(L, functions);
  return 1;
}

/* ---- system ---- */

static int push_clock(lua_State *L, clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  lua_pushnumber(L, (lua_Number)now.tv_sec + (lua_Number)now.tv_nsec / 1e9);
  return 1;
}

static int l_gettime(lua_State *L) {
  return push_clock(L, CLOCK_REALTIME);
}

static int l_monotime(lua_State *L) {
  return push_clock(L, CLOCK_MONOTONIC);
}

static int l_sleep(lua_State *L) {
  lua_Number seconds = luaL_checknumber(L, 1);
  struct timespec left = {.tv_sec = (time_t)seconds};
  left.tv_nsec = (long)((seconds - (lua_Number)left.tv_sec) * 1e9);
  while (nanosleep(&left, &left) != 0 && errno == EINTR) continue;
  return 0;
}

LUALIB_API int luaopen_system_core(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"gettime", l_gettime}, {"monotime", l_monotime}, {"sleep", l_sleep}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}

/* ---- term ---- */

static int l_isatty(lua_State *L) {
  lua_pushboolean(L, 0); /* only asked whether to write in colours */
  return 1;
}

LUALIB_API int luaopen_term_core(lua_State *L) {
  static const luaL_Reg functions[] = {{"isatty", l_isatty}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
