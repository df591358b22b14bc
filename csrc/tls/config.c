/* Owns what a config holds. Invariant: nobody writes to one that has more than one reference, but
   OpenSSL, which locks. Any thread. */
#include "tls/config.h"

#include <ctype.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "tls/ticket.h"

/* ---- life ---- */

static void fini(kio_tls_config *config) {
  for (size_t i = 0; i < config->names_count; i++) {
    config->names[i].release(config->names[i].context);
    OPENSSL_free(config->names[i].pattern);
  }
  OPENSSL_free(config->names);
  OPENSSL_free(config->staple);
  OPENSSL_free(config->protocols);
  OPENSSL_clear_free(config->ticket_keys, config->ticket_keys_count * KIO_TLS_TICKET_KEY);
  SSL_CTX_free(config->ssl);
  BIO_meth_free(config->bio);
  CRYPTO_THREAD_lock_free(config->lock);
  OPENSSL_free(config);
}

/* Without those by which who comes to know the key can read what was sent before. */
#define CIPHERS "DEFAULT:!kRSA"

static bool set_up(kio_tls_config *config) {
  SSL_CTX *ssl = config->ssl;
  if (!ssl || !config->bio || !config->lock) return false;
  if (SSL_CTX_set_app_data(ssl, config) != 1) return false;
  SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                               SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_read_ahead(ssl, 0);
  return SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) == 1 &&
         SSL_CTX_set_cipher_list(ssl, CIPHERS) == 1;
}

kio_tls_config *kio_tls_config_new(void) {
  kio_tls_config *config = OPENSSL_zalloc(sizeof *config);
  if (!config) return NULL;
  ERR_clear_error();
  config->refs = 1;
  config->ssl = SSL_CTX_new(TLS_method());
  config->bio = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "kio");
  config->lock = CRYPTO_THREAD_lock_new();
  if (set_up(config)) return config;
  ERR_clear_error();
  fini(config);
  return NULL;
}

kio_tls_config *kio_tls_config_ref(kio_tls_config *config) {
  int refs;
  CRYPTO_atomic_add(&config->refs, 1, &refs, config->lock);
  return config;
}

void kio_tls_config_unref(kio_tls_config *config) {
  int refs = 0;
  if (config && CRYPTO_atomic_add(&config->refs, -1, &refs, config->lock) && refs == 0) {
    fini(config);
  }
}

static bool no_memory(kio_tls_words *words) {
  ERR_clear_error();
  kio_tls_words_set(words, "ENOMEM", "not enough memory");
  return false;
}

/* The queue's words, or these. False. */
static bool fail(kio_tls_words *words, const char *code, const char *otherwise) {
  kio_tls_words_take(words, X509_V_OK, otherwise);
  if (strcmp(words->code, KIO_TLS_PROTOCOL) == 0) words->code = code;
  return false;
}

/* ---- certificates and keys ---- */

static int give_passphrase(char *to, int size, int writing, void *passphrase) {
  (void)writing;
  const char *text = passphrase;
  int length = text ? (int)strlen(text) : -1;
  if (length > size) return -1;
  if (length > 0) memcpy(to, text, (size_t)length);
  return length;
}

static BIO *bio_of(const char *text, size_t size) {
  return size <= INT32_MAX ? BIO_new_mem_buf(text, (int)size) : NULL;
}

/* The next certificate; NULL: there is none, or memory is out. */
static X509 *next_cert(BIO *bio) {
  return PEM_read_bio_X509(bio, NULL, give_passphrase, NULL);
}

/* That reading has ended for want of more, and for no other reason. */
static bool is_end_of_pem(void) {
  unsigned long error = ERR_peek_last_error();
  bool end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  if (end) ERR_clear_error();
  return end;
}

static bool use_chain(kio_tls_config *config, BIO *bio) {
  X509 *cert = next_cert(bio);
  bool used = cert && SSL_CTX_use_certificate(config->ssl, cert) == 1;
  X509_free(cert);
  while (used && (cert = next_cert(bio))) {
    used = SSL_CTX_add0_chain_cert(config->ssl, cert) == 1;
    if (!used) X509_free(cert);
  }
  return used && is_end_of_pem();
}

/* Why a key cannot be read. `locked`: it is encrypted. */
static void tell_key(bool locked, const char *passphrase, kio_tls_words *words) {
  if (locked && !passphrase) {
    kio_tls_words_set(words, KIO_TLS_CERT, "key: it is encrypted, and there is no passphrase");
  } else if (locked) {
    kio_tls_words_set(words, KIO_TLS_CERT, "key: the passphrase is wrong");
  } else {
    fail(words, KIO_TLS_CERT, "key: not one in PEM");
  }
}

static bool use_key(kio_tls_config *config, BIO *bio, const char *passphrase,
                    kio_tls_words *words) {
  char *text;
  long size = BIO_get_mem_data(bio, &text);
  bool locked = size > 0 && memmem(text, (size_t)size, "ENCRYPTED", 9);
  EVP_PKEY *key =
      PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, (void *)(uintptr_t)passphrase);
  if (!key) tell_key(locked, passphrase, words);
  if (!key) return false;
  config->rsa = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
  X509 *cert = SSL_CTX_get0_certificate(config->ssl);
  bool used = cert && X509_check_private_key(cert, key) == 1;
  if (!used) kio_tls_words_set(words, KIO_TLS_CERT, "the key does not belong to the certificate");
  else if (SSL_CTX_use_PrivateKey(config->ssl, key) != 1) used = fail(words, KIO_TLS_CERT, "key");
  EVP_PKEY_free(key);
  return used;
}

bool kio_tls_config_identity(kio_tls_config *config, const char *cert, size_t cert_size,
                             const char *key, size_t key_size, const char *passphrase,
                             kio_tls_words *words) {
  ERR_clear_error();
  BIO *certs = bio_of(cert, cert_size), *keys = bio_of(key, key_size);
  bool used = certs && keys;
  if (!used) no_memory(words);
  else if (!(used = use_chain(config, certs))) fail(words, KIO_TLS_CERT, "not one in PEM");
  else used = use_key(config, keys, passphrase, words);
  BIO_free(certs);
  BIO_free(keys);
  ERR_clear_error();
  return used;
}

static bool trust_one(kio_tls_config *config, X509 *cert) {
  return X509_STORE_add_cert(SSL_CTX_get_cert_store(config->ssl), cert) == 1 &&
         SSL_CTX_add_client_CA(config->ssl, cert) == 1;
}

bool kio_tls_config_trust(kio_tls_config *config, const char *pem, size_t size,
                          kio_tls_words *words) {
  ERR_clear_error();
  BIO *bio = bio_of(pem, size);
  X509 *cert;
  if (!bio) return no_memory(words);
  bool some = false, fine = true;
  while (fine && (cert = next_cert(bio))) {
    some = true;
    fine = trust_one(config, cert);
    X509_free(cert);
  }
  BIO_free(bio);
  if (!fine || !is_end_of_pem()) return fail(words, KIO_TLS_CERT, "not one in PEM");
  if (!some) kio_tls_words_set(words, KIO_TLS_CERT, "no certificate in it");
  config->trusts = true;
  return some;
}

bool kio_tls_config_trust_system(kio_tls_config *config, kio_tls_words *words) {
  ERR_clear_error();
  bool fine = SSL_CTX_set_default_verify_paths(config->ssl) == 1;
  ERR_clear_error(); /* a file that is not there is no failure */
  return fine || no_memory(words);
}

/* ---- what is offered ---- */

bool kio_tls_config_versions(kio_tls_config *config, int least, int most, kio_tls_words *words) {
  ERR_clear_error();
  bool fine = (!least || SSL_CTX_set_min_proto_version(config->ssl, least) == 1) &&
              (!most || SSL_CTX_set_max_proto_version(config->ssl, most) == 1);
  return fine || fail(words, KIO_TLS_PROTOCOL, "no such version");
}

/* Whether the name at `at` is one of TLS 1.3. */
static bool is_suite(const char *at) {
  return strncmp(at, "TLS_", 4) == 0;
}

/* Puts the names of one kind into `to`, colons between them. */
static void pick(const char *list, bool suites, char *to) {
  char *start = to;
  for (const char *at = list; *at;) {
    size_t size = strcspn(at, ":");
    if (size > 0 && is_suite(at) == suites) {
      if (to > start) *to++ = ':';
      memcpy(to, at, size);
      to += size;
    }
    at += size + (at[size] == ':');
  }
  *to = '\0';
}

bool kio_tls_config_ciphers(kio_tls_config *config, const char *list, kio_tls_words *words) {
  ERR_clear_error();
  size_t size = strlen(list) + 1;
  char *names = OPENSSL_malloc(size);
  if (!names) return no_memory(words);
  pick(list, true, names);
  bool fine = !*names || SSL_CTX_set_ciphersuites(config->ssl, names) == 1;
  pick(list, false, names);
  fine = fine && (!*names || SSL_CTX_set_cipher_list(config->ssl, names) == 1);
  OPENSSL_free(names);
  return fine || fail(words, KIO_TLS_PROTOCOL, "no such cipher");
}

/* The server's first that the client has, too. */
static int select_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                           const unsigned char *in, unsigned int in_size, void *arg) {
  const kio_tls_config *config = arg;
  (void)ssl;
  int found = SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_size, config->protocols,
                                    (unsigned)config->protocols_size, in, in_size);
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

bool kio_tls_config_protocols(kio_tls_config *config, const char *list, size_t size,
                              kio_tls_words *words) {
  ERR_clear_error();
  config->protocols = OPENSSL_memdup(list, size);
  if (!config->protocols) return no_memory(words);
  config->protocols_size = size;
  SSL_CTX_set_alpn_select_cb(config->ssl, select_protocol, config);
  bool fine = SSL_CTX_set_alpn_protos(config->ssl, config->protocols, (unsigned)size) == 0;
  return fine || no_memory(words);
}

bool kio_tls_config_staple(kio_tls_config *config, const char *bytes, size_t size,
                           kio_tls_words *words) {
  config->staple = OPENSSL_memdup(bytes, size);
  if (!config->staple) return no_memory(words);
  config->staple_size = size;
  return true;
}

bool kio_tls_config_tickets(kio_tls_config *config, size_t count, const char *keys, size_t size,
                            kio_tls_words *words) {
  ERR_clear_error();
  SSL_CTX_set_num_tickets(config->ssl, count);
  if (count == 0) SSL_CTX_set_options(config->ssl, SSL_OP_NO_TICKET);
  if (size == 0) return true;
  config->ticket_keys = OPENSSL_memdup(keys, size);
  if (!config->ticket_keys) return no_memory(words);
  config->ticket_keys_count = size / KIO_TLS_TICKET_KEY;
  SSL_CTX_set_tlsext_ticket_key_evp_cb(config->ssl, kio_tls_ticket_key);
  return true;
}

void kio_tls_config_inherit(kio_tls_config *config, const kio_tls_config *earlier) {
  unsigned char keys[KIO_TLS_TICKET_KEY];
  bool own = config->ticket_keys || earlier->ticket_keys;
  ERR_clear_error();
  if (!own && SSL_CTX_get_tlsext_ticket_keys(earlier->ssl, keys, sizeof keys) == 1) {
    SSL_CTX_set_tlsext_ticket_keys(config->ssl, keys, sizeof keys);
  }
  OPENSSL_cleanse(keys, sizeof keys);
  ERR_clear_error();
}

/* ---- names ---- */

static int compare(const void *a, const void *b) {
  const kio_tls_name *one = a, *other = b;
  return strcmp(one->pattern, other->pattern);
}

static void to_lower(char *name) {
  for (; *name; name++) *name = (char)tolower((unsigned char)*name);
}

bool kio_tls_config_name(kio_tls_config *config, const char *pattern, void *context,
                         void (*release)(void *context), kio_tls_words *words) {
  size_t size = (config->names_count + 1) * sizeof *config->names;
  char *copy = OPENSSL_strdup(pattern);
  kio_tls_name *names = copy ? OPENSSL_realloc(config->names, size) : NULL;
  if (names) config->names = names;
  if (!names) {
    release(context);
    OPENSSL_free(copy);
    return no_memory(words);
  }
  to_lower(copy);
  names[config->names_count++] = (kio_tls_name){copy, context, release};
  return true;
}

static void *exactly(const kio_tls_config *config, const char *name) {
  kio_tls_name key = {.pattern = (char *)(uintptr_t)name};
  const kio_tls_name *found =
      bsearch(&key, config->names, config->names_count, sizeof key, compare);
  return found ? found->context : NULL;
}

void *kio_tls_config_find(const kio_tls_config *config, const char *name) {
  char text[TLSEXT_MAXLEN_host_name + 2]; /* room for a star in front */
  if (config->names_count == 0 || strlen(name) > TLSEXT_MAXLEN_host_name) return NULL;
  strcpy(text + 1, name);
  to_lower(text + 1);
  void *found = exactly(config, text + 1);
  char *dot = strchr(text + 1, '.');
  if (found || !dot) return found;
  dot[-1] = '*';
  return exactly(config, dot - 1);
}

/* ---- the end ---- */

/* Sessions of clients that were let in by other rules are no way around these. */
static bool set_session_context(kio_tls_config *config) {
  unsigned char digest[EVP_MAX_MD_SIZE], rules = (unsigned char)config->client;
  unsigned size = 0;
  EVP_MD_CTX *md = EVP_MD_CTX_new();
  STACK_OF(X509_NAME) *names = SSL_CTX_get_client_CA_list(config->ssl);
  bool fine =
      md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 && EVP_DigestUpdate(md, &rules, 1) == 1;
  for (int i = 0; fine && i < sk_X509_NAME_num(names); i++) {
    const unsigned char *der;
    size_t length;
    fine = X509_NAME_get0_der(sk_X509_NAME_value(names, i), &der, &length) == 1 &&
           EVP_DigestUpdate(md, der, length) == 1;
  }
  fine = fine && EVP_DigestFinal_ex(md, digest, &size) == 1 &&
         SSL_CTX_set_session_id_context(config->ssl, digest, size) == 1;
  EVP_MD_CTX_free(md);
  return fine;
}

bool kio_tls_config_finish(kio_tls_config *config, kio_tls_words *words) {
  ERR_clear_error();
  if (config->names_count > 0) {
    qsort(config->names, config->names_count, sizeof *config->names, compare);
  }
  return set_session_context(config) || no_memory(words);
}
