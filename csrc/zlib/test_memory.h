/* Test builds only: zlib's memory, counted, so that the n-th allocation fails. */
#ifndef KIO_ZLIB_TEST_MEMORY_H
#define KIO_ZLIB_TEST_MEMORY_H

#include <lauxlib.h>
#include <zlib.h>

#ifdef KIO_TEST
/* Before zlib is started with it. */
void kio_zlib_test_memory_use(z_stream *z);

extern const luaL_Reg kio_zlib_test_memory_ops[];
#else
static inline void kio_zlib_test_memory_use(z_stream *z) {
  (void)z;
}
#endif

#endif
