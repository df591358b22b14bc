/* Drafts: configs that are being made, of what lua/kio/tls/context.lua has read from options. Owns
   nothing but through its userdata. The thread of the Lua state. */
#include <openssl/rand.h>
#include <string.h>

#include "tls/face.h"
#include "tls/hooks.h"

typedef struct draft {
  kio_tls_config *config; /* NULL: given up */
} draft;

static draft *check(lua_State *L, int index) {
  draft *d = luaL_checkudata(L, index, KIO_TLS_DRAFT_TYPE);
  luaL_argcheck(L, d->config, index, "it is used up");
  return d;
}

static kio_tls_config *config_at(lua_State *L, int index) {
  return check(L, index)->config;
}

/* true, or the failure. */
static int outcome(lua_State *L, bool fine, const kio_tls_words *words) {
  if (!fine) return kio_tls_fail(L, words);
  lua_pushboolean(L, true);
  return 1;
}

/* draft() -> draft */
static int l_draft(lua_State *L) {
  draft *d = lua_newuserdatauv(L, sizeof *d, 0);
  d->config = NULL;
  luaL_setmetatable(L, KIO_TLS_DRAFT_TYPE);
  d->config = kio_tls_config_new();
  if (!d->config) return luaL_error(L, "not enough memory");
  kio_tls_hooks_set(d->config);
  return 1;
}

/* identity(draft, certificates, key [, passphrase]) */
static int l_identity(lua_State *L) {
  size_t cert_size, key_size;
  kio_tls_words words;
  kio_tls_config *config = config_at(L, 1);
  const char *cert = luaL_checklstring(L, 2, &cert_size), *key = luaL_checklstring(L, 3, &key_size);
  const char *passphrase = luaL_optstring(L, 4, NULL);
  bool fine = kio_tls_config_identity(config, cert, cert_size, key, key_size, passphrase, &words);
  return outcome(L, fine, &words);
}

/* trust(draft [, certificates]): without any, the system's list */
static int l_trust(lua_State *L) {
  size_t size;
  kio_tls_words words;
  kio_tls_config *config = config_at(L, 1);
  const char *pem = luaL_optlstring(L, 2, NULL, &size);
  bool fine = pem ? kio_tls_config_trust(config, pem, size, &words)
                  : kio_tls_config_trust_system(config, &words);
  return outcome(L, fine, &words);
}

/* versions(draft, least, most): "1.2", "1.3" or nil */
static int l_versions(lua_State *L) {
  static const char *const names[] = {"", "1.2", "1.3", NULL};
  static const int versions[] = {0, TLS1_2_VERSION, TLS1_3_VERSION};
  kio_tls_words words;
  kio_tls_config *config = config_at(L, 1);
  int least = versions[luaL_checkoption(L, 2, "", names)];
  int most = versions[luaL_checkoption(L, 3, "", names)];
  return outcome(L, kio_tls_config_versions(config, least, most, &words), &words);
}

/* ciphers(draft, list) */
static int l_ciphers(lua_State *L) {
  kio_tls_words words;
  kio_tls_config *config = config_at(L, 1);
  return outcome(L, kio_tls_config_ciphers(config, luaL_checkstring(L, 2), &words), &words);
}

static int set_bytes(lua_State *L,
                     bool (*set)(kio_tls_config *, const char *, size_t, kio_tls_words *)) {
  size_t size;
  kio_tls_words words;
  kio_tls_config *config = config_at(L, 1);
  const char *bytes = luaL_checklstring(L, 2, &size);
  return outcome(L, set(config, bytes, size, &words), &words);
}

/* protocols(draft, list): each with its length before it */
static int l_protocols(lua_State *L) {
  return set_bytes(L, kio_tls_config_protocols);
}

/* staple(draft, bytes) */
static int l_staple(lua_State *L) {
  return set_bytes(L, kio_tls_config_staple);
}

/* tickets(draft, count, keys): these in one row */
static int l_tickets(lua_State *L) {
  size_t size;
  kio_tls_words words;
  kio_tls_config *config = config_at(L, 1);
  lua_Integer count = luaL_checkinteger(L, 2);
  const char *keys = luaL_checklstring(L, 3, &size);
  luaL_argcheck(L, count >= 0 && count <= 100, 2, "0 to 100");
  luaL_argcheck(L, size % KIO_TLS_TICKET_KEY == 0, 3, "80 bytes each");
  return outcome(L, kio_tls_config_tickets(config, (size_t)count, keys, size, &words), &words);
}

/* name(draft, pattern, context) */
static int l_name(lua_State *L) {
  kio_tls_words words;
  kio_tls_config *config = config_at(L, 1);
  const char *pattern = luaL_checkstring(L, 2);
  void *context = kio_tls_context_ref(kio_tls_check_context(L, 3));
  bool fine = kio_tls_config_name(config, pattern, context, kio_tls_context_unref, &words);
  return outcome(L, fine, &words);
}

/* A number that no other function in the process has. */
static bool mark(kio_tls_config *config, kio_tls_words *words) {
  if (RAND_bytes((unsigned char *)&config->mark, sizeof config->mark) == 1) return true;
  kio_tls_words_take(words, X509_V_OK, "no random numbers");
  return false;
}

/* settle(draft, client, where, unverified, quiet_end, worker whose function chooses | nil,
   staple_required) */
static int l_settle(lua_State *L) {
  static const char *const clients[] = {"none", "request", "require", NULL};
  static const char *const places[] = {"auto", "pool", "loop", NULL};
  kio_tls_words words;
  kio_tls_config *config = config_at(L, 1);
  config->client = (kio_tls_client)luaL_checkoption(L, 2, "none", clients);
  config->where = (kio_tls_where)luaL_checkoption(L, 3, "auto", places);
  config->unverified = lua_toboolean(L, 4);
  config->quiet_end = lua_toboolean(L, 5);
  config->asks = (unsigned)luaL_optinteger(L, 6, 0);
  config->staple_required = lua_toboolean(L, 7);
  bool fine = (!config->asks || mark(config, &words)) && kio_tls_config_finish(config, &words);
  return outcome(L, fine, &words);
}

/* ---- the end of it ---- */

/* The draft gives its config up. */
static kio_tls_config *take(lua_State *L, int index) {
  draft *d = check(L, index);
  kio_tls_config *config = d->config;
  d->config = NULL;
  return config;
}

/* context(draft) -> context */
static int l_context(lua_State *L) {
  check(L, 1);
  kio_tls_context **place = kio_tls_push_context(L);
  kio_tls_config *config = take(L, 1);
  *place = kio_tls_context_new(config);
  if (*place) return 1;
  kio_tls_config_unref(config);
  return luaL_error(L, "not enough memory");
}

/* replace(context, draft) */
static int l_replace(lua_State *L) {
  kio_tls_context *context = kio_tls_check_context(L, 1);
  kio_tls_config *config = take(L, 2);
  kio_tls_config *earlier = kio_tls_context_config(context);
  kio_tls_config_inherit(config, earlier);
  kio_tls_config_unref(earlier);
  kio_tls_context_replace(context, config);
  return 0;
}

static void end(void *self) {
  draft *d = self;
  kio_tls_config_unref(d->config);
  d->config = NULL;
}

const kio_type kio_tls_draft_type = {.name = KIO_TLS_DRAFT_TYPE, .end = end};

const luaL_Reg kio_tls_draft_ops[] = {
    {"draft", l_draft},     {"identity", l_identity},
    {"trust", l_trust},     {"versions", l_versions},
    {"ciphers", l_ciphers}, {"protocols", l_protocols},
    {"staple", l_staple},   {"tickets", l_tickets},
    {"name", l_name},       {"settle", l_settle},
    {"context", l_context}, {"replace", l_replace},
    {NULL, NULL},
};
