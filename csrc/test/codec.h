/* Test builds only: the codec as Lua functions. */
#ifndef KIO_TEST_CODEC_H
#define KIO_TEST_CODEC_H

#include <lua.h>

/* Adds codec_* to the table on top. */
void kio_test_codec_open(lua_State *L);

#endif
