/* Owns its config and the sessions. Invariant: `config` and the list of sessions are looked at
   under the lock; what has been taken out has a reference. Any thread. */
#include "tls/context.h"

#include <string.h>

enum { SESSIONS_MAX = 1000 }; /* peers of a client */

typedef struct kept_session kept_session;
struct kept_session {
  kept_session *next; /* the one that was used before this */
  SSL_SESSION *session;
  char peer[];
};

struct kio_tls_context {
  CRYPTO_RWLOCK *lock;
  int refs;
  kio_tls_config *config;
  kept_session *sessions; /* the one that was used last */
  size_t sessions_count;
};

kio_tls_context *kio_tls_context_new(kio_tls_config *config) {
  kio_tls_context *context = OPENSSL_zalloc(sizeof *context);
  if (!context) return NULL;
  context->lock = CRYPTO_THREAD_lock_new();
  if (!context->lock) {
    OPENSSL_free(context);
    return NULL;
  }
  context->refs = 1;
  context->config = config;
  return context;
}

void *kio_tls_context_ref(void *self) {
  kio_tls_context *context = self;
  int refs;
  CRYPTO_atomic_add(&context->refs, 1, &refs, context->lock);
  return context;
}

static void forget_all(kept_session *list) {
  while (list) {
    kept_session *next = list->next;
    SSL_SESSION_free(list->session);
    OPENSSL_free(list);
    list = next;
  }
}

void kio_tls_context_unref(void *self) {
  kio_tls_context *context = self;
  int refs = 0;
  CRYPTO_atomic_add(&context->refs, -1, &refs, context->lock);
  if (refs > 0) return;
  forget_all(context->sessions);
  kio_tls_config_unref(context->config);
  CRYPTO_THREAD_lock_free(context->lock);
  OPENSSL_free(context);
}

kio_tls_config *kio_tls_context_config(kio_tls_context *context) {
  CRYPTO_THREAD_read_lock(context->lock);
  kio_tls_config *config = kio_tls_config_ref(context->config);
  CRYPTO_THREAD_unlock(context->lock);
  return config;
}

void kio_tls_context_replace(kio_tls_context *context, kio_tls_config *config) {
  CRYPTO_THREAD_write_lock(context->lock);
  kio_tls_config *earlier = context->config;
  kept_session *sessions = context->sessions;
  context->config = config;
  context->sessions = NULL;
  context->sessions_count = 0;
  CRYPTO_THREAD_unlock(context->lock);
  forget_all(sessions);
  kio_tls_config_unref(earlier);
}

/* ---- sessions: under the lock ---- */

/* Takes the entry of a peer out of the list; NULL: there is none. */
static kept_session *take_out(kio_tls_context *context, const char *peer) {
  for (kept_session **at = &context->sessions; *at; at = &(*at)->next) {
    kept_session *kept = *at;
    if (strcmp(kept->peer, peer) != 0) continue;
    *at = kept->next;
    kept->next = NULL;
    context->sessions_count--;
    return kept;
  }
  return NULL;
}

static void put_in(kio_tls_context *context, kept_session *kept) {
  kept->next = context->sessions;
  context->sessions = kept;
  context->sessions_count++;
  if (context->sessions_count <= SESSIONS_MAX) return;
  kept_session **at = &context->sessions;
  while ((*at)->next) at = &(*at)->next;
  forget_all(*at);
  *at = NULL;
  context->sessions_count--;
}

SSL_SESSION *kio_tls_context_session(kio_tls_context *context, const char *peer) {
  SSL_SESSION *session = NULL;
  CRYPTO_THREAD_write_lock(context->lock);
  kept_session *kept = take_out(context, peer);
  if (kept) {
    put_in(context, kept);
    session = kept->session;
    SSL_SESSION_up_ref(session);
  }
  CRYPTO_THREAD_unlock(context->lock);
  return session;
}

void kio_tls_context_keep(kio_tls_context *context, const kio_tls_config *config, const char *peer,
                          SSL_SESSION *session) {
  size_t size = strlen(peer) + 1;
  kept_session *kept = OPENSSL_malloc(sizeof *kept + size);
  if (!kept) return; /* the next handshake is a full one */
  memcpy(kept->peer, peer, size);
  SSL_SESSION_up_ref(session);
  kept->session = session;
  kept->next = NULL;
  CRYPTO_THREAD_write_lock(context->lock);
  bool current = context->config == config;
  kept_session *earlier = current ? take_out(context, peer) : kept;
  if (current) put_in(context, kept);
  CRYPTO_THREAD_unlock(context->lock);
  forget_all(earlier);
}
