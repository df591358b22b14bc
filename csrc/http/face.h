/* HTTP as Lua sees it: what the files of the face share. A program may give any userdata any of
   their metatables: so each begins with a tag, the address of a constant, and is known by that.
   The thread of the Lua state. */
#ifndef KIO_HTTP_FACE_H
#define KIO_HTTP_FACE_H

#include <lauxlib.h>
#include <lua.h>

#include "http/head.h"
#include "net/guest.h"

/* What a head's userdata holds; behind the fields lie the bytes that the spans are in. One of a
   trailer has nothing but fields. */
typedef struct kio_http_head_value {
  const void *tag;
  uint32_t max_trailers, max_fields; /* the limits for its body */
  bool body_taken;                   /* which has been read, all at once */
  kio_http_head head;
  kio_http_field fields[]; /* head.field_count of them */
} kio_http_head_value;

static inline const char *kio_http_head_text(const kio_http_head_value *v) {
  return (const char *)(v->fields + v->head.field_count);
}
/* kio's table, for the functions of the rooms below. */
static inline const kio_guest *kio_http_guest(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1));
}
/* The number of seconds at `index`, in nanoseconds; nil: the stream's. */
int64_t kio_http_timeout(lua_State *L, int index);
/* Pushes words about what is wrong with the bytes, which the peer's may be among; returns the
   code. */
const char *kio_http_push_fault(lua_State *L, const kio_http_scan *scan);
/* Pushes the status behind a failure, which is on top: 408 when it is late; returns 1, or 0 without
   one. */
int kio_http_push_status(lua_State *L, int status, bool answers_late);

/* Makes the types. */
void kio_http_head_open(lua_State *L, const kio_guest *guest);
void kio_http_body_open(lua_State *L, const kio_guest *guest);
void kio_http_frames_open(lua_State *L, const kio_guest *guest);
/* Pushes a head's userdata. Copies the bytes, head.size of them, before Lua can run anything. */
void kio_http_push_head(lua_State *L, const char *bytes, const kio_http_head *head,
                        const kio_http_field *fields, const kio_http_limits *limits);
/* Pushes headers for the head at `index`. */
void kio_http_push_headers(lua_State *L, int index);
/* The head at `index`, or an argument error. */
kio_http_head_value *kio_http_check_head(lua_State *L, int index);

extern const luaL_Reg kio_http_head_ops[];   /* http/head_lua.c */
extern const luaL_Reg kio_http_read_ops[];   /* http/read_lua.c: heads */
extern const luaL_Reg kio_http_body_ops[];   /* http/body_lua.c */
extern const luaL_Reg kio_http_encode_ops[]; /* http/encode_lua.c: fields to be sent */
extern const luaL_Reg kio_http_write_ops[];  /* http/write_lua.c: chunks */
extern const luaL_Reg kio_http_frame_ops[];  /* http/frame_lua.c: of WebSockets */
extern const luaL_Reg kio_http_accept_ops[]; /* http/accept_lua.c: of their handshakes */
extern const luaL_Reg kio_http_about_ops[];  /* http/about_lua.c: of files */

#endif
