/* Streams as Lua sees them: what net/net.c needs to make one. */
#ifndef KIO_NET_STREAM_LUA_H
#define KIO_NET_STREAM_LUA_H

#include <lauxlib.h>
#include <lua.h>

#include "net/carrier.h"
#include "net/read.h"
#include "net/stream.h"
#include "op/op.h"
#include "op/type.h"
#include "system/address.h"

/* Pushes a userdata for a stream that does not exist yet, so that nothing can fail on the Lua side
   once there is a descriptor. */
void kio_stream_push_empty(lua_State *L);
/* Gives the userdata at `index` its stream, made of the connected socket fd; false when memory is
   out (fd is closed). */
bool kio_stream_fill(lua_State *L, int index, int fd, const kio_sockaddr *peer);

#define KIO_STREAM_TYPE "kio.Stream"

/* What the userdata holds. */
typedef struct kio_stream_handle {
  const void *tag;     /* &kio_stream_tag: tells the type faster than the metatable does */
  kio_stream *stream;  /* NULL: never connected */
  int64_t timeout_ns;  /* of operations that name none */
  int64_t due_ns;      /* the deadline of the write that is under way */
  kio_reading reading; /* the read that is under way */
} kio_stream_handle;

extern const char kio_stream_tag;
#ifdef KIO_TEST
extern void (*kio_stream_made)(kio_stream *stream); /* told of each new one on a socket; or NULL */
#endif
extern const kio_handle_kind kio_stream_moves; /* net/stream_move.c */

/* The connected stream at index 1, or an argument error. */
static inline kio_stream_handle *kio_stream_check(lua_State *L) {
  kio_stream_handle *h = lua_touserdata(L, 1);
  bool ours = h && lua_rawlen(L, 1) == sizeof *h && h->tag == &kio_stream_tag;
  if (!ours) luaL_typeerror(L, 1, KIO_STREAM_TYPE);
  if (!h->stream) luaL_argerror(L, 1, "a stream that was never connected");
  kio_stream_look(h->stream);
  return h;
}
/* In a continuation: what kio_stream_check has given before, since a frame holds it. */
static inline kio_stream_handle *kio_stream_handle_at(lua_State *L) {
  return lua_touserdata(L, 1);
}
static inline kio_stream *kio_stream_at(lua_State *L) {
  const kio_stream_handle *h = kio_stream_handle_at(L);
  kio_debug_assert(h->tag == &kio_stream_tag && h->stream);
  return h->stream;
}
/* When an operation gives up that has its options at that index. */
static inline int64_t kio_stream_due(lua_State *L, const kio_stream_handle *h, kio_sched *sched,
                                     int options) {
  return kio_sched_due(sched, kio_op_timeout_or(L, options, h->timeout_ns));
}
/* Pushes nil, "what peer: message", code; returns 3. */
int kio_stream_fail(lua_State *L, const kio_stream *stream, const char *what, int err);
/* What the end of a wait means: raises Cancelled, or the errno of an early end, or `err`. */
int kio_stream_early_end(lua_State *L, int err);
/* The peer's address; of what is no socket its size is 0. */
kio_sockaddr kio_stream_peer(const kio_stream *stream);
/* The peer's address as text, ended by a zero byte. */
const char *kio_stream_peer_text(const kio_stream *stream, char text[KIO_ADDRESS_TEXT_MAX + 1]);

extern const luaL_Reg kio_stream_methods[]; /* those that neither read, write nor end */
void kio_stream_end(void *handle);          /* parts of the type */
int kio_stream_l_tostring(lua_State *L);

#endif
