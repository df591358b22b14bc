/* Large strings are not copied: they are pinned, and leave from where they lie. An output then has
   a piece of one in place of a buffer. The string is anchored in the Lua registry. */
#ifndef KIO_NET_PIN_H
#define KIO_NET_PIN_H

#include <lua.h>

#include "net/output.h"

/* An empty output takes over bytes of the string at `index`. May raise (memory), with nothing
   taken. */
void kio_pin(lua_State *L, int index, kio_output *out, const char *data, size_t size);
/* What is pinned is in a buffer from now on. False: memory is out. */
bool kio_pin_copy(lua_State *L, kio_output *out, kio_buffers *buffers);
/* The first `size` bytes of what is pinned have left. */
void kio_pin_consume(lua_State *L, kio_output *out, size_t size);
/* What is pinned will not leave; harmless when nothing is. */
void kio_pin_drop(lua_State *L, kio_output *out);
/* What is pinned is its taker's, as is the string's anchor: it returns that. Empty afterwards. */
int kio_pin_take(kio_output *out);

#endif
