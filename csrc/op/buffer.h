/* Buffers as Lua sees them, and what operations need to use one. A buffer, or a slice of one, is a
   view: a range of a block (ring/block.h). */
#ifndef KIO_OP_BUFFER_H
#define KIO_OP_BUFFER_H

#include <lauxlib.h>
#include <lua.h>

#include "ring/block.h"
#include "ring/request.h"

/* What the userdata holds. */
typedef struct kio_view {
  const void *tag;  /* tells the type faster than the metatable does */
  kio_block *block; /* NULL: closed */
  size_t at;        /* where in the block it begins */
  size_t size;      /* its length now */
  size_t room;      /* the longest it may be */
} kio_view;

/* Bytes to be written: a string's, or a buffer's. */
typedef struct kio_bytes {
  const char *data;
  size_t size;
  kio_block *block; /* of a buffer; of a string NULL */
} kio_bytes;

/* The view at `index`, NULL when that is no buffer. It may be closed. */
kio_view *kio_view_at(lua_State *L, int index);
/* The open view at `index`, or an argument error. */
kio_view *kio_view_check(lua_State *L, int index);
/* The bytes of the string or open buffer at `index`, within one kernel call, or an argument error.
   Those of a buffer may be in use: acquire the block first. */
kio_bytes kio_bytes_check(lua_State *L, int index);
/* Where in the view to put bytes: reads a position (default 1) at `index` and a greatest number of
   them (default all that fit) behind it, or raises. */
void kio_view_range(lua_State *L, int index, const kio_view *view, size_t *at, size_t *size);
/* Raises unless the program may read the bytes, or else (`change`) write them, now. */
void kio_block_check(lua_State *L, const kio_block *block, bool change);
/* Has an IDLE request of the running task acquire a block (NULL: none), which returns it when it is
   released. False ("EBUSY"), the request given back: return KIO_FAILED. */
bool kio_op_use_block(lua_State *L, kio_request *request, kio_block *block, kio_block_use how);

#endif
