/* The one name that this object exports. */
#ifndef KIO_TLS_CORE_H
#define KIO_TLS_CORE_H

#include <lua.h>

/* Called by `require "kio.tls.core"`. */
__attribute__((visibility("default"))) int luaopen_kio_tls_core(lua_State *L);

#endif
