/* Filters for streams, and what Lua does with one that has such a filter: goes on with a handshake
   that is suspended, and asks about the connection. The thread of the Lua state. */
#include "tls/engine.h"
#include "tls/face.h"
#include "tls/peer.h"

/* ---- filters ---- */

static int push_filter(lua_State *L, kio_tls_context *context, const kio_tls_peer *peer) {
  kio_tls_words words;
  kio_filter *filter = lua_newuserdatauv(L, sizeof *filter, 0);
  *filter = (kio_filter){NULL, NULL};
  luaL_setmetatable(L, KIO_FILTER_TYPE);
  kio_tls_engine *engine = kio_tls_engine_new(context, peer, &words);
  if (!engine) return kio_tls_fail(L, &words);
  *filter = (kio_filter){kio_tls_engine_kind(engine), engine};
  return 1;
}

/* client(context, name | nil, is_address, key | nil) -> filter | nil, message, code */
static int l_client(lua_State *L) {
  kio_tls_context *context = kio_tls_check_context(L, 1);
  kio_tls_peer peer = {luaL_optstring(L, 2, NULL), lua_toboolean(L, 3), luaL_optstring(L, 4, NULL)};
  return push_filter(L, context, &peer);
}

/* server(context) -> filter | nil, message, code */
static int l_server(lua_State *L) {
  return push_filter(L, kio_tls_check_context(L, 1), NULL);
}

/* ---- a handshake ---- */

static kio_tls_engine *engine_at(lua_State *L, int index) {
  return kio_tls_engine_of(kio_tls_guest(L)->stream_filter(L, index));
}

/* state(stream) -> "ready" | "waiting" | "work" | "choose", name | nil, protocols | nil: it has no
   such filter */
static int l_state(lua_State *L) {
  const kio_tls_engine *e = engine_at(L, 1);
  if (!e) return 0;
  switch (e->task) {
  case KIO_TLS_TASK_CHOOSE:
    lua_pushliteral(L, "choose");
    kio_tls_push_hello(L, e);
    return 3;
  case KIO_TLS_TASK_WORK: lua_pushliteral(L, "work"); return 1;
  case KIO_TLS_TASK_BUSY: lua_pushliteral(L, "waiting"); return 1;
  default: lua_pushstring(L, e->is_ready ? "ready" : "waiting"); return 1;
  }
}

/* choose(stream, context | nil) */
static int l_choose(lua_State *L) {
  kio_tls_engine *e = engine_at(L, 1);
  kio_tls_context *context = lua_isnil(L, 2) ? NULL : kio_tls_check_context(L, 2);
  if (e) kio_tls_engine_choose(e, context);
  return 0;
}

/* work(stream) -> true | nil, message, code: the pool has done a step, or could not */
static int l_work(lua_State *L) {
  kio_tls_engine *e = engine_at(L, 1);
  const kio_guest_work work = {"handshake", kio_tls_engine_hold, kio_tls_engine_work,
                               kio_tls_engine_free, e};
  if (!e || e->task != KIO_TLS_TASK_WORK) return 0;
  e->task = KIO_TLS_TASK_BUSY;
  return kio_tls_guest(L)->offload(L, &work);
}

/* worked(stream, done): it has been done there, or is done now */
static int l_worked(lua_State *L) {
  kio_tls_engine *e = engine_at(L, 1);
  if (!e || e->task != KIO_TLS_TASK_BUSY) return 0;
  if (!lua_toboolean(L, 2)) kio_tls_engine_work(e);
  kio_tls_engine_worked(e);
  return 0;
}

/* ---- the connection ---- */

static kio_tls_engine *ready_at(lua_State *L) {
  kio_tls_engine *e = engine_at(L, 1);
  return e && !e->task && e->is_ready ? e : NULL;
}

/* info(stream) -> table | nil: it does not speak TLS */
static int l_info(lua_State *L) {
  const kio_tls_engine *e = ready_at(L);
  if (!e) return 0;
  kio_tls_push_info(L, e);
  return 1;
}

/* binding(stream, kind) -> bytes | nil */
static int l_binding(lua_State *L) {
  static const char *const kinds[] = {"tls-server-end-point", "tls-exporter", NULL};
  int kind = luaL_checkoption(L, 2, NULL, kinds);
  const kio_tls_engine *e = ready_at(L);
  return e && kio_tls_push_binding(L, e, kinds[kind]);
}

const luaL_Reg kio_tls_stream_ops[] = {
    {"client", l_client}, {"server", l_server},   {"state", l_state},
    {"choose", l_choose}, {"work", l_work},       {"worked", l_worked},
    {"info", l_info},     {"binding", l_binding}, {NULL, NULL},
};
