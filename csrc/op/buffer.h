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

extern const char kio_view_tag;

/* The view at `index`, NULL when that is no buffer. It may be closed. */
static inline kio_view *kio_view_at(lua_State *L, int index) {
  kio_view *view = lua_touserdata(L, index);
  bool ours = view && lua_rawlen(L, index) == sizeof *view && view->tag == &kio_view_tag;
  return ours ? view : NULL;
}
/* kio_view_check where there is no open view: raises. */
kio_view *kio_view_refuse(lua_State *L, int index);
/* The open view at `index`, or an argument error. */
static inline kio_view *kio_view_check(lua_State *L, int index) {
  kio_view *view = kio_view_at(L, index);
  return view && view->block ? view : kio_view_refuse(L, index);
}
/* The first byte of an open view. */
static inline char *kio_view_data(const kio_view *view) {
  kio_debug_assert(view->size <= view->room && view->at + view->room <= view->block->size);
  return view->block->data + view->at;
}
/* The bytes of the string or open buffer at `index`, within one kernel call, or an argument error.
   Those of a buffer may be in use: acquire the block first. */
kio_bytes kio_bytes_check(lua_State *L, int index);
/* kio_view_range when something is named there. */
void kio_view_read_range(lua_State *L, int index, const kio_view *view, size_t *at, size_t *size);
/* Where in the view to put bytes: reads a position (default 1) at `index` and a greatest number of
   them (default all that fit) behind it, or raises. */
static inline void kio_view_range(lua_State *L, int index, const kio_view *view, size_t *at,
                                  size_t *size) {
  *at = 0;
  *size = view->size;
  if (lua_gettop(L) >= index) kio_view_read_range(L, index, view, at, size);
}
/* kio_block_check where the program may not: raises. */
void kio_block_refuse(lua_State *L);
/* Raises unless the program may read the bytes, or else (`change`) write them, now. */
static inline void kio_block_check(lua_State *L, const kio_block *block, bool change) {
  if (!kio_block_free_to(block, change)) kio_block_refuse(L);
}
/* Has an IDLE request of the running task acquire a block (NULL: none), which returns it when it is
   released. False ("EBUSY"), the request given back: return KIO_FAILED. */
bool kio_op_use_block(lua_State *L, kio_request *request, kio_block *block, kio_block_use how);

#endif
