/* A context: the config that the next handshakes go by, which may be replaced while connections
   run, and a client's sessions. Counted, and used by all threads; knows no Lua. */
#ifndef KIO_TLS_CONTEXT_H
#define KIO_TLS_CONTEXT_H

#include "tls/config.h"

typedef struct kio_tls_context kio_tls_context;

/* Takes over the reference to the config. NULL: memory is out, and that is still the caller's. */
kio_tls_context *kio_tls_context_new(kio_tls_config *config);
void *kio_tls_context_ref(void *context);
void kio_tls_context_unref(void *context);
/* A reference to the present config. */
kio_tls_config *kio_tls_context_config(kio_tls_context *context);
/* From now on handshakes go by this one, a reference to which is taken over. Sessions of clients
   are forgotten. */
void kio_tls_context_replace(kio_tls_context *context, kio_tls_config *config);

/* The last session with that peer, a reference; NULL: there is none. */
SSL_SESSION *kio_tls_context_session(kio_tls_context *context, const char *peer);
/* Keeps it for the next time, in place of an earlier one; takes a reference. Sessions that began
   under another config are not kept. */
void kio_tls_context_keep(kio_tls_context *context, const kio_tls_config *config, const char *peer,
                          SSL_SESSION *session);

#endif
