/* Contexts as Lua sees them: a userdata is a reference, and so is what crosses to another worker.
   The thread of the Lua state. */
#include "tls/face.h"

typedef struct handle {
  kio_tls_context *context; /* NULL: it was finalized */
} handle;

static handle *check(lua_State *L, int index) {
  handle *h = luaL_checkudata(L, index, KIO_TLS_CONTEXT_TYPE);
  luaL_argcheck(L, h->context, index, "it was finalized");
  return h;
}

kio_tls_context *kio_tls_check_context(lua_State *L, int index) {
  return check(L, index)->context;
}

/* A context may come to a worker that has not loaded kio.tls, and must be freed there, too. */
static void know_type(lua_State *L) {
  bool known = luaL_getmetatable(L, KIO_TLS_CONTEXT_TYPE) != LUA_TNIL;
  lua_pop(L, 1);
  if (!known) kio_tls_guest(L)->type_open(L, &kio_tls_context_type);
}

kio_tls_context **kio_tls_push_context(lua_State *L) {
  know_type(L);
  handle *h = lua_newuserdatauv(L, sizeof *h, 0);
  h->context = NULL;
  luaL_setmetatable(L, KIO_TLS_CONTEXT_TYPE);
  return &h->context;
}

/* same(one, other) -> whether they are one context: also the __eq */
static int l_same(lua_State *L) {
  lua_pushboolean(L, kio_tls_check_context(L, 1) == kio_tls_check_context(L, 2));
  return 1;
}

/* unverified(context) -> whether a client that goes by it takes any certificate */
static int l_unverified(lua_State *L) {
  kio_tls_config *config = kio_tls_context_config(kio_tls_check_context(L, 1));
  lua_pushboolean(L, config->unverified);
  kio_tls_config_unref(config);
  return 1;
}

/* asks(context) -> the mark of the function that chooses, the worker where it was given | nil */
static int l_asks(lua_State *L) {
  kio_tls_config *config = kio_tls_context_config(kio_tls_check_context(L, 1));
  unsigned worker = config->asks;
  lua_Integer mark = config->mark;
  kio_tls_config_unref(config);
  if (!worker) return 0;
  lua_pushinteger(L, mark);
  lua_pushinteger(L, worker);
  return 2;
}

static int l_tostring(lua_State *L) {
  const handle *h = luaL_checkudata(L, 1, KIO_TLS_CONTEXT_TYPE);
  if (!h->context) return (lua_pushliteral(L, KIO_TLS_CONTEXT_TYPE " (finalized)"), 1);
  kio_tls_config *config = kio_tls_context_config(h->context);
  bool own = SSL_CTX_get0_certificate(config->ssl) != NULL, any = config->unverified;
  kio_tls_config_unref(config);
  lua_pushfstring(L, KIO_TLS_CONTEXT_TYPE " (%s certificate%s)", own ? "with a" : "without a",
                  any ? ", verify = false" : "");
  return 1;
}

/* ---- moving ---- */

static const char *prepare(lua_State *L, int index, void **spare) {
  const handle *h = lua_touserdata(L, index);
  if (!h->context) return "it was finalized";
  *spare = kio_tls_context_ref(h->context);
  return NULL;
}

static void *give(lua_State *L, int index, void *spare) {
  (void)L;
  (void)index;
  return spare;
}

static void take(lua_State *L, void *object) {
  *kio_tls_push_context(L) = object;
}

static void end(void *self) {
  handle *h = self;
  if (h->context) kio_tls_context_unref(h->context);
  h->context = NULL;
}

static const kio_handle_kind moves = {prepare, give, take, kio_tls_context_unref, NULL};

const kio_type kio_tls_context_type = {
    .name = KIO_TLS_CONTEXT_TYPE,
    .methods = {(const luaL_Reg[]){{NULL, NULL}}},
    .end = end,
    .tostring = l_tostring,
    .moves = &moves,
};

const luaL_Reg kio_tls_context_ops[] = {
    {"same", l_same},
    {"unverified", l_unverified},
    {"asks", l_asks},
    {NULL, NULL},
};
