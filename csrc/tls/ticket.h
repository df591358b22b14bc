/* Session tickets under keys that a program has given, so that several machines open each
   other's. */
#ifndef KIO_TLS_TICKET_H
#define KIO_TLS_TICKET_H

#include <openssl/ssl.h>

/* The callback of OpenSSL's for that: the first key seals, all open. */
int kio_tls_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                       EVP_MAC_CTX *mac, int sealing);

#endif
