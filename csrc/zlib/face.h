/* zlib as Lua sees it. */
#ifndef KIO_ZLIB_FACE_H
#define KIO_ZLIB_FACE_H

#include <lauxlib.h>
#include <lua.h>

#include "op/type.h"

#define KIO_ZLIB_DEFLATE_TYPE "kio.zlib.Deflate"
#define KIO_ZLIB_INFLATE_TYPE "kio.zlib.Inflate"

extern const kio_type kio_zlib_deflate_type; /* zlib/coder_lua.c */
extern const kio_type kio_zlib_inflate_type; /* zlib/coder_lua.c */
extern const luaL_Reg kio_zlib_coder_ops[];  /* zlib/coder_lua.c: what makes the two */
extern const luaL_Reg kio_zlib_sum_ops[];    /* zlib/sum_lua.c: checksums */

/* That nothing but nils was given behind the `most` arguments that a function takes. */
static inline void kio_zlib_takes(lua_State *L, int most) {
  for (int i = lua_gettop(L); i > most; i--) {
    if (!lua_isnil(L, i)) luaL_argerror(L, i, "too many arguments");
  }
}

#endif
