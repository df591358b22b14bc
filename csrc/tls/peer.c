/* Owns nothing. What OpenSSL hands out is freed before Lua is called, or lies in Lua's memory: Lua
   may raise. The thread of the Lua state. */
#include "tls/peer.h"

#include <lauxlib.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "tls/names.h"

static void set_text(lua_State *L, const char *key, const char *text) {
  if (text) lua_pushstring(L, text);
  else lua_pushnil(L);
  lua_setfield(L, -2, key);
}

static void set_boolean(lua_State *L, const char *key, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, key);
}

/* ---- one certificate ---- */

static int free_bio(lua_State *L) {
  BIO **box = lua_touserdata(L, 1);
  BIO_free(*box);
  *box = NULL;
  return 0;
}

/* Pushes a box that frees what is put into it. */
static BIO **push_box(lua_State *L) {
  BIO **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = NULL;
  if (luaL_newmetatable(L, "kio.tls.Memory")) {
    lua_pushcfunction(L, free_bio);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  *box = BIO_new(BIO_s_mem());
  if (!*box) luaL_error(L, "not enough memory");
  return box;
}

/* Pops the box: its text becomes the field of the table below. */
static void set_written(lua_State *L, BIO **box, const char *key) {
  char *text;
  long size = BIO_get_mem_data(*box, &text);
  lua_pushlstring(L, text, size > 0 ? (size_t)size : 0);
  lua_setfield(L, -3, key);
  BIO_free(*box);
  *box = NULL;
  lua_pop(L, 1);
}

static void set_name(lua_State *L, const char *key, const X509_NAME *name) {
  BIO **box = push_box(L);
  X509_NAME_print_ex(*box, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
  set_written(L, box, key);
}

static void set_pem(lua_State *L, X509 *cert) {
  BIO **box = push_box(L);
  PEM_write_bio_X509(*box, cert);
  set_written(L, box, "pem");
}

/* As os.time counts. */
static void set_time(lua_State *L, const char *key, const ASN1_TIME *time) {
  struct tm parts;
  if (ASN1_TIME_to_tm(time, &parts) != 1) return;
  lua_pushinteger(L, (lua_Integer)timegm(&parts));
  lua_setfield(L, -2, key);
}

static void set_sha256(lua_State *L, const X509 *cert) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  char hex[2 * EVP_MAX_MD_SIZE + 1] = "";
  unsigned size = 0;
  if (X509_digest(cert, EVP_sha256(), digest, &size) != 1) return;
  for (unsigned i = 0; i < size; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
  set_text(L, "sha256", hex);
}

typedef struct name_list {
  char text[2048]; /* each with a zero byte behind it */
  size_t size;
} name_list;

static void add_name(void *to, const char *name) {
  name_list *list = to;
  size_t size = strlen(name) + 1;
  if (size > sizeof list->text - list->size) return;
  memcpy(list->text + list->size, name, size);
  list->size += size;
}

static void set_names(lua_State *L, X509 *cert) {
  name_list list = {.size = 0};
  kio_tls_names_each(cert, add_name, &list);
  lua_newtable(L);
  int count = 0;
  for (size_t at = 0; at < list.size; at += strlen(list.text + at) + 1) {
    lua_pushstring(L, list.text + at);
    lua_rawseti(L, -2, ++count);
  }
  lua_setfield(L, -2, "names");
}

static void push_cert(lua_State *L, X509 *cert) {
  lua_newtable(L);
  set_name(L, "subject", X509_get_subject_name(cert));
  set_name(L, "issuer", X509_get_issuer_name(cert));
  set_names(L, cert);
  set_time(L, "not_before", X509_get0_notBefore(cert));
  set_time(L, "not_after", X509_get0_notAfter(cert));
  set_sha256(L, cert);
  set_pem(L, cert);
}

/* ---- the connection ---- */

/* The peer's certificate, and those it has sent with it. */
static void set_peer(lua_State *L, const kio_tls_engine *e) {
  X509 *cert = SSL_get0_peer_certificate(e->ssl);
  STACK_OF(X509) *chain = SSL_get_peer_cert_chain(e->ssl);
  if (!cert) return;
  push_cert(L, cert);
  lua_newtable(L);
  for (int i = 0, count = 0; i < sk_X509_num(chain); i++) {
    if (X509_cmp(sk_X509_value(chain, i), cert) == 0) continue;
    push_cert(L, sk_X509_value(chain, i));
    lua_rawseti(L, -2, ++count);
  }
  lua_setfield(L, -2, "chain");
  lua_setfield(L, -2, "peer");
}

static bool is_verified(const kio_tls_engine *e) {
  return SSL_get_verify_mode(e->ssl) != SSL_VERIFY_NONE && SSL_get0_peer_certificate(e->ssl) &&
         SSL_get_verify_result(e->ssl) == X509_V_OK;
}

void kio_tls_push_info(lua_State *L, const kio_tls_engine *e) {
  const unsigned char *alpn;
  unsigned size;
  luaL_checkstack(L, 12, NULL);
  lua_newtable(L);
  set_text(L, "version", SSL_get_version(e->ssl));
  set_text(L, "cipher", SSL_CIPHER_get_name(SSL_get_current_cipher(e->ssl)));
  set_text(L, "name", SSL_get_servername(e->ssl, TLSEXT_NAMETYPE_host_name));
  set_boolean(L, "resumed", SSL_session_reused(e->ssl));
  set_boolean(L, "verified", is_verified(e));
  SSL_get0_alpn_selected(e->ssl, &alpn, &size);
  if (size > 0) {
    lua_pushlstring(L, (const char *)alpn, size);
    lua_setfield(L, -2, "alpn");
  }
  set_peer(L, e);
  ERR_clear_error();
}

/* ---- bindings ---- */

/* RFC 5929, section 4.1: the digest of the server's certificate. */
static size_t end_point(const kio_tls_engine *e, unsigned char digest[EVP_MAX_MD_SIZE]) {
  X509 *cert =
      SSL_is_server(e->ssl) ? SSL_get_certificate(e->ssl) : SSL_get0_peer_certificate(e->ssl);
  int nid = NID_undef;
  unsigned size = 0;
  if (!cert || X509_get_signature_info(cert, &nid, NULL, NULL, NULL) != 1) return 0;
  if (nid == NID_md5 || nid == NID_sha1 || nid == NID_undef) nid = NID_sha256;
  return X509_digest(cert, EVP_get_digestbynid(nid), digest, &size) == 1 ? size : 0;
}

bool kio_tls_push_binding(lua_State *L, const kio_tls_engine *e, const char *kind) {
  static const char label[] = "EXPORTER-Channel-Binding"; /* RFC 9266 */
  unsigned char bytes[EVP_MAX_MD_SIZE];
  size_t size = 0;
  ERR_clear_error();
  if (strcmp(kind, "tls-server-end-point") == 0) size = end_point(e, bytes);
  else if (SSL_export_keying_material(e->ssl, bytes, 32, label, sizeof label - 1,
                                      (const unsigned char *)"", 0, 1) == 1)
    size = 32;
  ERR_clear_error();
  if (size > 0) lua_pushlstring(L, (const char *)bytes, size);
  return size > 0;
}

/* ---- a hello ---- */

void kio_tls_push_hello(lua_State *L, const kio_tls_engine *e) {
  const kio_tls_bytes *list = &e->asked_protocols;
  if (e->asked_name) lua_pushstring(L, e->asked_name);
  else lua_pushnil(L);
  lua_newtable(L);
  int count = 0;
  for (size_t at = list->at; at < list->end;) {
    size_t size = (unsigned char)list->data[at++];
    if (size > list->end - at) break;
    lua_pushlstring(L, list->data + at, size);
    lua_rawseti(L, -2, ++count);
    at += size;
  }
}
