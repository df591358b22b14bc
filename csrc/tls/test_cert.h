/* Test builds only: certificates and OCSP responses, made when specs need them. */
#ifndef KIO_TLS_TEST_CERT_H
#define KIO_TLS_TEST_CERT_H

#include <lauxlib.h>

extern const luaL_Reg kio_tls_test_ops[];

#endif
