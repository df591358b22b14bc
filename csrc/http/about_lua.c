/* What an answer with a file says of it: asked of the open file, and not of a disk or a server of
   files, which the open has asked. Owns nothing. Called by the thread of the Lua state. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "http/date.h"
#include "http/face.h"

static const char *type_name(unsigned mode) {
  return S_ISREG(mode) ? "file" : S_ISDIR(mode) ? "directory" : "other";
}

/* A tag for the file as it is now. */
static void push_etag(lua_State *L, const struct statx *st) {
  char text[64];
  unsigned long long ns = (unsigned long long)st->stx_mtime.tv_sec * 1000000000 + /* it may wrap */
                          st->stx_mtime.tv_nsec;
  int size = snprintf(text, sizeof text, "\"%llx-%llx-%llx\"", ns, (unsigned long long)st->stx_size,
                      (unsigned long long)st->stx_ino);
  lua_pushlstring(L, text, (size_t)size);
}

/* file_about(fd) -> about | nil: it cannot be asked */
static int l_file_about(lua_State *L) {
  struct statx st;
  char date[KIO_HTTP_DATE_SIZE];
  int fd = (int)luaL_checkinteger(L, 1);
  if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &st) != 0) return 0;
  lua_createtable(L, 0, 5);
  lua_pushstring(L, type_name(st.stx_mode));
  lua_setfield(L, -2, "type");
  lua_pushinteger(L, (lua_Integer)st.stx_size);
  lua_setfield(L, -2, "size");
  lua_pushinteger(L, st.stx_mtime.tv_sec);
  lua_setfield(L, -2, "mtime");
  push_etag(L, &st);
  lua_setfield(L, -2, "etag");
  kio_http_date_write(date, st.stx_mtime.tv_sec);
  lua_pushlstring(L, date, sizeof date);
  lua_setfield(L, -2, "date");
  return 1;
}

const luaL_Reg kio_http_about_ops[] = {{"file_about", l_file_about}, {NULL, NULL}};
