/* What a handshake goes by: certificate, key, whom to trust, protocols, versions. It is made in
   steps, and nobody changes it any more once a context has it; it is counted then, and used by all
   threads. Each step returns false when it fails: its words say why. Knows no Lua. */
#ifndef KIO_TLS_CONFIG_H
#define KIO_TLS_CONFIG_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "tls/words.h"

typedef enum kio_tls_client {
  KIO_TLS_CLIENT_NONE,    /* a server asks for no certificate */
  KIO_TLS_CLIENT_REQUEST, /* it takes one that is good, or none */
  KIO_TLS_CLIENT_REQUIRE  /* it takes one that is good */
} kio_tls_client;

typedef enum kio_tls_where {
  KIO_TLS_AUTO, /* handshakes with an RSA key on the pool, others on the loop */
  KIO_TLS_POOL,
  KIO_TLS_LOOP
} kio_tls_where;

/* A name of a server, and what goes by it. */
typedef struct kio_tls_name {
  char *pattern; /* lower case: "a.org", or "*.a.org" */
  void *context; /* a reference */
  void (*release)(void *context);
} kio_tls_name;

enum { KIO_TLS_TICKET_KEY = 80 }; /* name 16, MAC key 32, cipher key 32 */

typedef struct kio_tls_config {
  SSL_CTX *ssl;        /* its app data is this */
  BIO_METHOD *bio;     /* of all its engines */
  CRYPTO_RWLOCK *lock; /* for machines that cannot count without */
  int refs;
  kio_tls_client client;
  kio_tls_where where;
  bool unverified;       /* a client takes any certificate */
  bool quiet_end;        /* an end without the peer's word is one */
  bool rsa;              /* its key is one */
  bool trusts;           /* somebody has said whom */
  bool staple_required;  /* a client wants the server's to be good */
  unsigned asks;         /* the worker whose function chooses by the client's hello; 0: none */
  int64_t mark;          /* of that function */
  unsigned char *staple; /* a server's OCSP response */
  size_t staple_size;
  unsigned char *protocols; /* ALPN: each with its length before it */
  size_t protocols_size;
  kio_tls_name *names; /* in the order of their patterns */
  size_t names_count;
  unsigned char *ticket_keys; /* the first seals, all open; NULL: OpenSSL's own */
  size_t ticket_keys_count;
} kio_tls_config;

/* What the app data of an SSL begins with: the config that its handshake has begun with. */
typedef struct kio_tls_home {
  kio_tls_config *config;
} kio_tls_home;

/* One reference. NULL: memory is out. */
kio_tls_config *kio_tls_config_new(void);
kio_tls_config *kio_tls_config_ref(kio_tls_config *config);
void kio_tls_config_unref(kio_tls_config *config);

/* The certificates, its own first, and its key, both as PEM. */
bool kio_tls_config_identity(kio_tls_config *config, const char *cert, size_t cert_size,
                             const char *key, size_t key_size, const char *passphrase,
                             kio_tls_words *words);
/* Whoever these certificates have signed is trusted. */
bool kio_tls_config_trust(kio_tls_config *config, const char *pem, size_t size,
                          kio_tls_words *words);
/* The system's list is. */
bool kio_tls_config_trust_system(kio_tls_config *config, kio_tls_words *words);
bool kio_tls_config_versions(kio_tls_config *config, int least, int most, kio_tls_words *words);
/* A list as OpenSSL reads it; names with "TLS_" in front are those of TLS 1.3. */
bool kio_tls_config_ciphers(kio_tls_config *config, const char *list, kio_tls_words *words);
bool kio_tls_config_protocols(kio_tls_config *config, const char *list, size_t size,
                              kio_tls_words *words);
bool kio_tls_config_staple(kio_tls_config *config, const char *bytes, size_t size,
                           kio_tls_words *words);
/* So many tickets after a handshake; the keys in one row, or none. */
bool kio_tls_config_tickets(kio_tls_config *config, size_t count, const char *keys, size_t size,
                            kio_tls_words *words);
/* What goes by a name; the reference is given back with `release`, also when this fails. */
bool kio_tls_config_name(kio_tls_config *config, const char *pattern, void *context,
                         void (*release)(void *context), kio_tls_words *words);
/* All has been said: what depends on several of the above. */
bool kio_tls_config_finish(kio_tls_config *config, kio_tls_words *words);
/* Whose name that is: the exact one, else that of its domain with a star; NULL: nobody's. */
void *kio_tls_config_find(const kio_tls_config *config, const char *name);
/* What tickets are sealed with goes on, unless the other one has keys of its own. */
void kio_tls_config_inherit(kio_tls_config *config, const kio_tls_config *earlier);

#endif
