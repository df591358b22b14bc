/* The one name that this object exports. */
#ifndef KIO_ZLIB_CORE_H
#define KIO_ZLIB_CORE_H

#include <lua.h>

/* Called by `require "kio.zlib.core"`. */
__attribute__((visibility("default"))) int luaopen_kio_zlib_core(lua_State *L);

#endif
