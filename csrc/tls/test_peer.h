/* Test builds only: what no well-behaved peer sends, and what is held because of it. */
#ifndef KIO_TLS_TEST_PEER_H
#define KIO_TLS_TEST_PEER_H

#include <lauxlib.h>

extern const luaL_Reg kio_tls_test_peer_ops[];

#endif
