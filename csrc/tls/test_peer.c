/* Test builds only. What no well-behaved peer sends. Owns nothing. */
#include "tls/test_peer.h"

#include <lua.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdbool.h>
#include <string.h>

#include "tls/engine.h"
#include "tls/face.h"

enum { KEY = 16, SALT = 4, NONCE = 8, TAG = 16, AAD = 13, HEAD = 5, RANDOM = 32 };

static kio_tls_engine *engine_at(lua_State *L) {
  kio_tls_engine *e = kio_tls_engine_of(kio_tls_guest(L)->stream_filter(L, 1));
  luaL_argcheck(L, e && e->is_ready, 1, "no TLS");
  return e;
}

/* test_key_updates(stream, count): so many requests for new keys leave before what is written
   next */
static int l_key_updates(lua_State *L) {
  kio_tls_engine *e = engine_at(L);
  for (lua_Integer left = luaL_checkinteger(L, 2); left > 0; left--) {
    bool fine = SSL_key_update(e->ssl, SSL_KEY_UPDATE_REQUESTED) == 1;
    if (!fine || SSL_do_handshake(e->ssl) != 1) return luaL_error(L, "no update of keys");
  }
  return 0;
}

/* test_held(stream) -> bytes that are sealed and have no room */
static int l_held(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)kio_tls_bytes_size(&engine_at(L)->held));
  return 1;
}

/* The client's keys of TLS 1.2 with AES-128-GCM come first: RFC 5246, 6.3. */
static bool derive(SSL *ssl, unsigned char *block, size_t size) {
  unsigned char secret[SSL_MAX_MASTER_KEY_LENGTH], seed[13 + 2 * RANDOM];
  size_t length = SSL_SESSION_get_master_key(SSL_get_session(ssl), secret, sizeof secret);
  memcpy(seed, "key expansion", 13);
  SSL_get_server_random(ssl, seed + 13, RANDOM);
  SSL_get_client_random(ssl, seed + 13 + RANDOM, RANDOM);
  char digest[] = "SHA256";
  OSSL_PARAM params[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, secret, length),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, seed, sizeof seed),
      OSSL_PARAM_construct_end(),
  };
  EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
  EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
  bool fine = ctx && EVP_KDF_derive(ctx, block, size, params) == 1;
  EVP_KDF_CTX_free(ctx);
  EVP_KDF_free(kdf);
  return fine;
}

static void put_number(unsigned char *to, uint64_t number) {
  for (int i = 0; i < NONCE; i++) to[i] = (unsigned char)(number >> (56 - 8 * i));
}

/* One record; `block`: what derive has made. */
static bool seal(const unsigned char *block, int type, uint64_t number, const char *in, size_t size,
                 unsigned char *out) {
  unsigned char iv[SALT + NONCE], aad[AAD];
  size_t whole = NONCE + size + TAG;
  int length;
  memcpy(iv, block + (size_t)2 * KEY, SALT);
  put_number(iv + SALT, number);
  put_number(aad, number);
  memcpy(
      aad + NONCE,
      (unsigned char[]){(unsigned char)type, 3, 3, (unsigned char)(size >> 8), (unsigned char)size},
      HEAD);
  memcpy(out,
         (unsigned char[]){(unsigned char)type, 3, 3, (unsigned char)(whole >> 8),
                           (unsigned char)whole},
         HEAD);
  put_number(out + HEAD, number);
  EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
  unsigned char *sealed = out + HEAD + NONCE;
  bool fine = EVP_EncryptInit_ex(ctx, EVP_aes_128_gcm(), NULL, block, iv) == 1 &&
              EVP_EncryptUpdate(ctx, NULL, &length, aad, AAD) == 1 &&
              EVP_EncryptUpdate(ctx, sealed, &length, (const unsigned char *)in, (int)size) == 1 &&
              EVP_EncryptFinal_ex(ctx, sealed + size, &length) == 1 &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG, sealed + size) == 1;
  EVP_CIPHER_CTX_free(ctx);
  return fine;
}

/* test_records(stream, type, bytes, first, count) -> records with these bytes, of a client with TLS
   1.2 and ECDHE-ECDSA-AES128-GCM-SHA256, for its descriptor; `first`: how many it has sealed */
static int l_records(lua_State *L) {
  SSL *ssl = engine_at(L)->ssl;
  int type = (int)luaL_checkinteger(L, 2);
  size_t size;
  const char *bytes = luaL_checklstring(L, 3, &size);
  lua_Integer first = luaL_checkinteger(L, 4), count = luaL_checkinteger(L, 5);
  unsigned char block[2 * (KEY + SALT)];
  size_t whole = HEAD + NONCE + size + TAG;
  luaL_Buffer buffer;
  bool fine = derive(ssl, block, sizeof block);
  unsigned char *out = (unsigned char *)luaL_buffinitsize(L, &buffer, whole * (size_t)count);
  for (lua_Integer i = 0; fine && i < count; i++) {
    fine = seal(block, type, (uint64_t)(first + i), bytes, size, out + whole * (size_t)i);
  }
  luaL_pushresultsize(&buffer, whole * (size_t)count);
  return fine ? 1 : luaL_error(L, "cannot be sealed");
}

const luaL_Reg kio_tls_test_peer_ops[] = {
    {"test_key_updates", l_key_updates},
    {"test_held", l_held},
    {"test_records", l_records},
    {NULL, NULL},
};
