/* Owns nothing: the keys are the config's. Called by OpenSSL in a handshake. */
#include "tls/ticket.h"

#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <string.h>

#include "tls/config.h"

enum { NAME = 16, MAC_KEY = 32 }; /* what a key begins with; the cipher's follows */
enum { FAILED = -1, UNKNOWN = 0, OPENED = 1, RENEW = 2 };

/* The key that is to seal, or the one of that name; -1: there is none. */
static int find(const kio_tls_config *config, const unsigned char *name, int sealing) {
  if (sealing) return 0;
  for (size_t i = 0; i < config->ticket_keys_count; i++) {
    const unsigned char *key = config->ticket_keys + i * KIO_TLS_TICKET_KEY;
    if (CRYPTO_memcmp(key, name, NAME) == 0) return (int)i;
  }
  return -1;
}

static int set_mac(EVP_MAC_CTX *mac, unsigned char *key) {
  char sha256[] = "SHA256";
  OSSL_PARAM params[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key, MAC_KEY),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256, 0),
      OSSL_PARAM_construct_end(),
  };
  return EVP_MAC_CTX_set_params(mac, params);
}

int kio_tls_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                       EVP_MAC_CTX *mac, int sealing) {
  const kio_tls_config *config = ((const kio_tls_home *)SSL_get_app_data(ssl))->config;
  if (!config->ticket_keys) return sealing ? FAILED : UNKNOWN;
  int found = find(config, name, sealing);
  if (found < 0) return UNKNOWN;
  unsigned char *key = config->ticket_keys + (size_t)found * KIO_TLS_TICKET_KEY;
  if (sealing) {
    memcpy(name, key, NAME);
    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) return FAILED;
  }
  bool fine =
      set_mac(mac, key + NAME) == 1 &&
      EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key + NAME + MAC_KEY, iv, sealing) == 1;
  if (!fine) return FAILED;
  return found > 0 ? RENEW : OPENED;
}
