/* What OpenSSL calls back: for bytes, and with questions of a handshake. All of it is C that
   answers at once, or suspends the handshake. */
#ifndef KIO_TLS_HOOKS_H
#define KIO_TLS_HOOKS_H

#include "tls/engine.h"

/* Sets what is the same for all engines of a config. */
void kio_tls_hooks_set(kio_tls_config *config);
/* A server's handshake goes by this config from now on. False: memory is out. */
bool kio_tls_serve_by(SSL *ssl, const kio_tls_config *config);
/* Of SSL_set_verify: notes the names of a certificate that has not the one that is wanted. */
int kio_tls_on_verify(int fine, X509_STORE_CTX *store);

#endif
