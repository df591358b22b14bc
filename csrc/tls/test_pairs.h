/* Test builds only: TLS under the streams of specs that know nothing of it. */
#ifndef KIO_TLS_TEST_PAIRS_H
#define KIO_TLS_TEST_PAIRS_H

#include <lauxlib.h>

extern const luaL_Reg kio_tls_test_pairs_ops[];

#endif
