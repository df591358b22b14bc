/* OCSP stapling, the client's side. */
#ifndef KIO_TLS_STAPLE_H
#define KIO_TLS_STAPLE_H

#include <openssl/ssl.h>

/* What is wrong with what the server has stapled to its handshake; NULL: it says that the
   certificate is good. To be called at the end of the handshake. */
const char *kio_tls_staple_wrong(SSL *ssl);

#endif
