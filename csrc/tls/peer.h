/* What is known of a connection, as Lua tables. */
#ifndef KIO_TLS_PEER_H
#define KIO_TLS_PEER_H

#include <lua.h>

#include "tls/engine.h"

/* Pushes a table: version, cipher, alpn, name, resumed, verified, peer. */
void kio_tls_push_info(lua_State *L, const kio_tls_engine *engine);
/* Pushes the bytes that bind another protocol to this connection; returns false, and pushes
   nothing, when there are none of that kind. */
bool kio_tls_push_binding(lua_State *L, const kio_tls_engine *engine, const char *kind);
/* Pushes the host that a client's hello asks for, or nil, and a list of the protocols it offers. */
void kio_tls_push_hello(lua_State *L, const kio_tls_engine *engine);

#endif
