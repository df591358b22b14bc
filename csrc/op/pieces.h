/* What may be written, to streams and as a message alike. */
#ifndef KIO_OP_PIECES_H
#define KIO_OP_PIECES_H

#include <lua.h>

/* Replaces the arguments from 2 to `last`, where the stack ends then, by one string at 2. They are
   strings, numbers, buffers, and lists of these; else raises. A buffer is the caller's again at
   once. */
void kio_pieces_join(lua_State *L, int last);

#endif
