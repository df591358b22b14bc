/* Test builds only: filters. */
#ifndef KIO_TEST_FILTER_H
#define KIO_TEST_FILTER_H

#include <lua.h>

/* Adds test_filter to the table on top; puts the filter that KIO_FILTER names under each new stream
   on a socket. */
void kio_test_filter_open(lua_State *L);

#endif
