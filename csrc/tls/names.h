/* The names that a certificate is for. */
#ifndef KIO_TLS_NAMES_H
#define KIO_TLS_NAMES_H

#include <openssl/x509.h>

/* Calls `each` for every host name and address, as text, without those that hold other
   bytes than such names have. */
void kio_tls_names_each(X509 *cert, void (*each)(void *to, const char *name), void *to);
/* Them in one line, as far as there is room. */
void kio_tls_names_text(X509 *cert, char *text, size_t room);

#endif
