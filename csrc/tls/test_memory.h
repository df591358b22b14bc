/* Test builds only: OpenSSL's memory, counted, so that the n-th allocation fails. */
#ifndef KIO_TLS_TEST_MEMORY_H
#define KIO_TLS_TEST_MEMORY_H

#include <lauxlib.h>

/* Before the first use of OpenSSL. */
void kio_tls_test_memory_start(void);

extern const luaL_Reg kio_tls_test_memory_ops[];

#endif
