/* TLS as Lua sees it: what the files of the face share. */
#ifndef KIO_TLS_FACE_H
#define KIO_TLS_FACE_H

#include <lauxlib.h>
#include <lua.h>

#include "net/guest.h"
#include "tls/context.h"

#define KIO_TLS_CONTEXT_TYPE "kio.tls.Context"
#define KIO_TLS_DRAFT_TYPE "kio.tls.Draft"

/* kio's table. */
const kio_guest *kio_tls_guest(lua_State *L);
/* The context at `index`, or an argument error. */
kio_tls_context *kio_tls_check_context(lua_State *L, int index);
/* Pushes a userdata for a context, whose reference is to be put into the place. */
kio_tls_context **kio_tls_push_context(lua_State *L);
/* Pushes nil, the words, the code; returns 3. */
int kio_tls_fail(lua_State *L, const kio_tls_words *words);

extern const kio_type kio_tls_context_type;  /* tls/context_lua.c */
extern const kio_type kio_tls_draft_type;    /* tls/draft_lua.c */
extern const luaL_Reg kio_tls_context_ops[]; /* tls/context_lua.c */
extern const luaL_Reg kio_tls_draft_ops[];   /* tls/draft_lua.c: what a config is made of */
extern const luaL_Reg kio_tls_stream_ops[];  /* tls/stream_lua.c: filters, and what of streams */

#endif
