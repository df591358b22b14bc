/* Test builds only: a connection in memory, whose bytes may be spoilt on their way, and whose
   memory may run out. */
#ifndef KIO_TLS_TEST_EXCHANGE_H
#define KIO_TLS_TEST_EXCHANGE_H

#include <lauxlib.h>

extern const luaL_Reg kio_tls_test_exchange_ops[];

#endif
