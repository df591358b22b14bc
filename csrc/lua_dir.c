/* Calls on names that io_uring has no operation for: each is the plain system call and blocks this
   thread until it is done. They need no task. Contracts for users: lua/types/kio.d.lua. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "op.h"
#include "ops.h"

static int done_or_fail(lua_State *L, int result, const char *what, const char *path) {
  if (result != 0) return kio_fail(L, errno, what, path);
  lua_pushboolean(L, true);
  return 1;
}

/* ---- readdir ---- */

#define DIR_TYPE "kio.Directory"

/* An open directory lies in a userdata, so that an error in between does not lose it. */
static int l_close_dir(lua_State *L) {
  DIR **dir = luaL_checkudata(L, 1, DIR_TYPE);
  if (*dir) closedir(*dir);
  *dir = NULL;
  return 0;
}

static DIR **new_dir(lua_State *L) {
  DIR **dir = lua_newuserdatauv(L, sizeof *dir, 0);
  *dir = NULL;
  if (luaL_newmetatable(L, DIR_TYPE)) {
    lua_pushcfunction(L, l_close_dir);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  return dir;
}

/* Some filesystems leave the type out of the entry: then the entry itself is asked. */
static mode_t type_of(DIR *dir, const struct dirent *entry) {
  struct stat st;
  if (entry->d_type != DT_UNKNOWN) return (mode_t)DTTOIF(entry->d_type);
  bool there = fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0;
  return there ? st.st_mode : 0;
}

static void push_entry(lua_State *L, DIR *dir, const struct dirent *entry) {
  lua_createtable(L, 0, 2);
  lua_pushstring(L, entry->d_name);
  lua_setfield(L, -2, "name");
  lua_pushstring(L, kio_file_type_name(type_of(dir, entry)));
  lua_setfield(L, -2, "type");
}

static bool is_dots(const char *name) {
  return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* readdir(path) -> list of { name, type }, in no order, without "." and ".." */
static int l_readdir(lua_State *L) {
  const struct dirent *entry;
  lua_Integer count = 0;
  const char *path = kio_check_path(L, 1);
  DIR **dir = new_dir(L);
  *dir = opendir(path);
  if (!*dir) return kio_fail(L, errno, "readdir", path);
  lua_newtable(L);
  while ((void)(errno = 0), (entry = readdir(*dir))) {
    if (is_dots(entry->d_name)) continue;
    push_entry(L, *dir, entry);
    lua_rawseti(L, -2, ++count);
  }
  int err = errno;
  closedir(*dir);
  *dir = NULL;
  return err ? kio_fail(L, err, "readdir", path) : 1;
}

/* ---- links and permissions ---- */

/* symlink(target, path) -> true */
static int l_symlink(lua_State *L) {
  const char *target = kio_check_path(L, 1), *path = kio_check_path(L, 2);
  return done_or_fail(L, symlink(target, path), "symlink", path);
}

/* readlink(path) -> target */
static int l_readlink(lua_State *L) {
  char target[PATH_MAX];
  const char *path = kio_check_path(L, 1);
  ssize_t size = readlink(path, target, sizeof target);
  if (size < 0) return kio_fail(L, errno, "readlink", path);
  lua_pushlstring(L, target, (size_t)size);
  return 1;
}

/* realpath(path) -> the absolute path without links */
static int l_realpath(lua_State *L) {
  char resolved[PATH_MAX];
  const char *path = kio_check_path(L, 1);
  if (!realpath(path, resolved)) return kio_fail(L, errno, "realpath", path);
  lua_pushstring(L, resolved);
  return 1;
}

/* chmod(path, mode) -> true */
static int l_chmod(lua_State *L) {
  const char *path = kio_check_path(L, 1);
  return done_or_fail(L, chmod(path, (mode_t)kio_check_int(L, 2)), "chmod", path);
}

const luaL_Reg kio_dir_ops[] = {
    {"readdir", l_readdir},   {"symlink", l_symlink}, {"readlink", l_readlink},
    {"realpath", l_realpath}, {"chmod", l_chmod},     {NULL, NULL},
};
