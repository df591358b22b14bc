/* The one exported symbol. */
#ifndef KIO_CORE_H
#define KIO_CORE_H

#include <lua.h>

__attribute__((visibility("default"))) int luaopen_kio_core(lua_State *L);

#endif
