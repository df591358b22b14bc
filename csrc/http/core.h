/* The one name that this object exports. */
#ifndef KIO_HTTP_CORE_H
#define KIO_HTTP_CORE_H

#include <lua.h>

/* Called by `require "kio.http.core"`. */
__attribute__((visibility("default"))) int luaopen_kio_http_core(lua_State *L);

#endif
