/* Checksums of strings. Owns nothing. The thread of the Lua state. */
#include <zlib.h>

#include "zlib/face.h"

/* (bytes [, the sum of those before]) -> the sum of all */
static int push_sum(lua_State *L, uLong (*sum)(uLong, const Bytef *, z_size_t)) {
  size_t size;
  const char *bytes = luaL_checklstring(L, 1, &size);
  lua_Integer before = luaL_optinteger(L, 2, (lua_Integer)sum(0, Z_NULL, 0));
  luaL_argcheck(L, before >= 0 && before <= 0xffffffff, 2, "a checksum expected");
  kio_zlib_takes(L, 2);
  lua_pushinteger(L, (lua_Integer)sum((uLong)before, (const Bytef *)bytes, size));
  return 1;
}

static int l_crc32(lua_State *L) {
  return push_sum(L, crc32_z);
}

static int l_adler32(lua_State *L) {
  return push_sum(L, adler32_z);
}

const luaL_Reg kio_zlib_sum_ops[] = {{"crc32", l_crc32}, {"adler32", l_adler32}, {NULL, NULL}};
