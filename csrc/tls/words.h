/* What OpenSSL says about failures, as a code of ours and words. Its queue of errors belongs to the
   thread: what an earlier call has left there would be taken for the failure of a later one, so it
   is cleared before each call, and taken right after. */
#ifndef KIO_TLS_WORDS_H
#define KIO_TLS_WORDS_H

#include <openssl/err.h>
#include <openssl/ssl.h>

#define KIO_TLS_CERT "TLS_CERT"           /* a certificate, or a key, is not accepted */
#define KIO_TLS_ALERT "TLS_ALERT"         /* the peer has refused */
#define KIO_TLS_PROTOCOL "TLS_PROTOCOL"   /* what has come is wrong, or nothing in common */
#define KIO_TLS_TRUNCATED "TLS_TRUNCATED" /* the connection has ended without the peer's word */

enum { KIO_TLS_WORDS_MAX = 320 };

typedef struct kio_tls_words {
  const char *code; /* one of those above, or "ENOMEM"; NULL: nothing has failed */
  char text[KIO_TLS_WORDS_MAX];
} kio_tls_words;

/* Sets both; %-forms in `form` as printf has them. */
void kio_tls_words_set(kio_tls_words *words, const char *code, const char *form, ...)
    __attribute__((format(printf, 3, 4)));
/* Takes the thread's queue; `otherwise` is said when it is empty. `verify`: what became of the
   peer's certificate. */
void kio_tls_words_take(kio_tls_words *words, long verify, const char *otherwise);
#endif
