/* Owns the SSL. Invariant: OpenSSL reads and writes only within a call of `step`, `open` or `seal`,
   or a pool's thread in `work`; while that has it, nobody else touches it (task BUSY). */
#include "tls/engine.h"

#include <openssl/x509v3.h>

#include "tls/hooks.h"

enum {
  KEPT_MAX = 65536,   /* of bytes for a step on the pool: no flight of a handshake is so long */
  HEAD = 5,           /* bytes before a record, the last two of them its size */
  RECORD_MAX = 16384, /* plain bytes of a record */
  OVERHEAD = 128,     /* by which a record is longer than these, at most */
  SMALL = 512         /* plain bytes of a record that there is no room for */
};

/* ---- failures ---- */

static kio_filter_result fail(kio_tls_engine *e, const char *code, const char *text) {
  if (!e->words.code) kio_tls_words_set(&e->words, code, "%s", text);
  return KIO_FILTER_FAILED;
}

/* What OpenSSL says, unless a callback of ours has said it better. */
static kio_filter_result fail_ssl(kio_tls_engine *e) {
  e->is_broken = true;
  kio_tls_words words;
  kio_tls_words_take(&words, SSL_get_verify_result(e->ssl), "OpenSSL gives no reason");
  if (!e->words.code) e->words = words;
  return KIO_FILTER_FAILED;
}

/* ---- the steps ---- */

static kio_filter_result shake(kio_tls_engine *e) {
  ERR_clear_error();
  int result = SSL_do_handshake(e->ssl);
  if (result == 1) {
    e->is_ready = true;
    return KIO_FILTER_OK;
  }
  switch (SSL_get_error(e->ssl, result)) {
  case SSL_ERROR_WANT_READ: return KIO_FILTER_OK;
  case SSL_ERROR_WANT_CLIENT_HELLO_CB: e->asks = true; return KIO_FILTER_OK;
  default: return fail_ssl(e);
  }
}

/* Bytes of the records that are there as a whole: a step with less would come to nothing. */
static size_t whole_records(const kio_tls_bytes *kept) {
  size_t at = kept->at;
  while (kept->end - at >= HEAD) {
    const unsigned char *head = (const unsigned char *)kept->data + at;
    size_t size = HEAD + ((size_t)head[3] << 8 | head[4]);
    if (kept->end - at < size) break;
    at += size;
  }
  return at - kept->at;
}

/* Takes what has come for a step on the pool. */
static kio_filter_result keep(kio_tls_engine *e) {
  size_t room = KEPT_MAX - kio_tls_bytes_size(&e->kept);
  size_t size = e->in_size < room ? e->in_size : room;
  if (!kio_tls_bytes_put(&e->kept, e->in, size)) return fail(e, "ENOMEM", "not enough memory");
  e->in += size;
  e->in_size -= size;
  e->kept_whole = whole_records(&e->kept);
  if (e->kept_whole > 0) e->task = KIO_TLS_TASK_WORK;
  return KIO_FILTER_OK;
}

static kio_filter_result shake_here(kio_tls_engine *e) {
  kio_filter_result result = shake(e);
  if (e->asks) e->task = KIO_TLS_TASK_CHOOSE;
  return result;
}

static kio_filter_result go_on(kio_tls_engine *e) {
  if (e->is_ready || e->task) return KIO_FILTER_OK;
  return e->on_pool ? keep(e) : shake_here(e);
}

void kio_tls_engine_work(void *self) {
  kio_tls_engine *e = self;
  shake(e); /* `words` tell of a failure */
}

void kio_tls_engine_worked(kio_tls_engine *e) {
  e->task = e->asks ? KIO_TLS_TASK_CHOOSE : KIO_TLS_TASK_NONE;
}

/* A read that brings nothing costs as much as one that does. */
static bool has_input(const kio_tls_engine *e) {
  return e->in_size > 0 || kio_tls_bytes_size(&e->kept) > 0 || SSL_has_pending(e->ssl);
}

/* Plain bytes to `out`. */
static kio_filter_result open_records(kio_tls_engine *e, char *out, size_t room, size_t *got) {
  while (*got < room && has_input(e)) {
    size_t size = 0;
    ERR_clear_error();
    int result = SSL_read_ex(e->ssl, out + *got, room - *got, &size);
    *got += size;
    if (result == 1) continue;
    switch (SSL_get_error(e->ssl, result)) {
    case SSL_ERROR_WANT_READ: return KIO_FILTER_OK;
    case SSL_ERROR_ZERO_RETURN: e->is_over = true; return KIO_FILTER_ENDED;
    default: return fail_ssl(e);
    }
  }
  return KIO_FILTER_OK;
}

/* ---- the filter ---- */

/* Somebody who goes on asking for answers and takes none must not have our memory; and if nothing
   were read until they have left, two ends that do so would wait for each other. */
static kio_filter_result check_answers(kio_tls_engine *e) {
  if (e->answers <= KIO_TLS_ANSWERS_MAX) return KIO_FILTER_OK;
  return fail(e, KIO_TLS_PROTOCOL, "the peer asks on and on, and takes no answers");
}

/* Nothing more will come. */
static kio_filter_result ended(kio_tls_engine *e) {
  if (!e->is_ready) return fail(e, KIO_TLS_TRUNCATED, "the peer has ended in the handshake");
  if (e->home.config->quiet_end) return KIO_FILTER_ENDED;
  return fail(e, KIO_TLS_TRUNCATED,
              "the connection was cut off: the peer has not said that it ends");
}

static kio_filter_result decode(void *self, const char *in, size_t *in_size, char *out,
                                size_t *out_size) {
  kio_tls_engine *e = self;
  size_t room = *out_size, got = 0, given = *in_size;
  kio_filter_result result = KIO_FILTER_OK;
  *in_size = *out_size = 0;
  if (e->task == KIO_TLS_TASK_BUSY) return KIO_FILTER_OK;
  if (e->words.code) return KIO_FILTER_FAILED; /* a step on the pool has */
  if (e->task && in) return KIO_FILTER_OK;
  e->in = in;
  e->in_size = in ? given : 0;
  if (!e->task) result = go_on(e);
  if (result == KIO_FILTER_OK && e->is_ready) result = open_records(e, out, room, &got);
  if (result == KIO_FILTER_OK) result = check_answers(e);
  *in_size = in ? given - e->in_size : 0;
  *out_size = got;
  e->in = NULL;
  e->in_size = 0;
  return !in && got == 0 && result == KIO_FILTER_OK ? ended(e) : result;
}

/* How much of it goes into one record: what there is room for, or a little that will wait. */
static size_t record_size(size_t size, size_t room) {
  size_t most = room > OVERHEAD + SMALL ? room - OVERHEAD : SMALL;
  if (most > RECORD_MAX) most = RECORD_MAX;
  return size < most ? size : most;
}

static kio_filter_result seal(kio_tls_engine *e, const char *in, size_t size, size_t *taken) {
  while (*taken < size && e->out_room > 0 && kio_tls_bytes_size(&e->held) == 0) {
    size_t sealed = 0, part = record_size(size - *taken, e->out_room);
    ERR_clear_error();
    if (SSL_write_ex(e->ssl, in + *taken, part, &sealed) != 1) return fail_ssl(e);
    *taken += sealed;
  }
  return KIO_FILTER_OK;
}

static kio_filter_result encode(void *self, const char *in, size_t *in_size, char *out,
                                size_t *out_size) {
  kio_tls_engine *e = self;
  size_t size = *in_size, room = *out_size, taken = 0;
  kio_filter_result result = KIO_FILTER_OK;
  *in_size = *out_size = 0;
  if (e->task == KIO_TLS_TASK_BUSY) return KIO_FILTER_OK;
  size_t held = kio_tls_bytes_take(&e->held, out, room), left = kio_tls_bytes_size(&e->held);
  if (e->answers > left) e->answers = left;
  e->out = out + held;
  e->out_room = room - held;
  bool failed = e->is_broken || (!e->is_ready && e->words.code);
  if (size > 0 && failed && held == 0) result = fail(e, KIO_TLS_PROTOCOL, "it has failed before");
  else if (size > 0 && e->is_ready && !failed) result = seal(e, in, size, &taken);
  *in_size = taken;
  *out_size = room - e->out_room;
  e->out = NULL;
  e->out_room = 0;
  return result;
}

static bool is_ready(const void *self) {
  const kio_tls_engine *e = self;
  return e->task || e->is_ready; /* a BUSY one's other fields are the pool's */
}

static bool has_output(const void *self) {
  const kio_tls_engine *e = self;
  return e->task != KIO_TLS_TASK_BUSY && kio_tls_bytes_size(&e->held) > 0;
}

/* close_notify, which a connection that has not been one does not need. */
static void finish(void *self) {
  kio_tls_engine *e = self;
  if (e->task == KIO_TLS_TASK_BUSY || !e->is_ready || e->is_broken) return;
  ERR_clear_error();
  SSL_shutdown(e->ssl);
  ERR_clear_error();
}

static const char *why(const void *self) {
  return ((const kio_tls_engine *)self)->words.text;
}

static const char *code(const void *self) {
  return ((const kio_tls_engine *)self)->words.code;
}

static const char *may_move(const void *self) {
  const kio_tls_engine *e = self;
  return !e->task && (e->is_ready || e->words.code) ? NULL : "its TLS handshake is under way";
}

void kio_tls_engine_hold(void *self) {
  kio_tls_engine *e = self;
  int refs;
  CRYPTO_atomic_add(&e->refs, 1, &refs, e->home.config->lock);
}

void kio_tls_engine_free(void *self) {
  kio_tls_engine *e = self;
  int refs = 0;
  CRYPTO_atomic_add(&e->refs, -1, &refs, e->home.config->lock);
  if (refs > 0) return;
  SSL_free(e->ssl);
  kio_tls_bytes_fini(&e->kept);
  kio_tls_bytes_fini(&e->held);
  kio_tls_bytes_fini(&e->asked_protocols);
  OPENSSL_free(e->asked_name);
  kio_tls_config_unref(e->chosen);
  if (e->context) kio_tls_context_unref(e->context);
  OPENSSL_free(e->peer);
  kio_tls_config_unref(e->home.config);
  OPENSSL_free(e);
}

/* What the stream's name tells: whether the peer is known to be whom it says. */
static const kio_filter_kind verified_kind = {
    KIO_FILTER_ABI,      "tls", decode, encode, is_ready, has_output, finish, why, code, may_move,
    kio_tls_engine_free,
};
static const kio_filter_kind unverified_kind = {
    KIO_FILTER_ABI, "tls, verify = false", decode, encode, is_ready, has_output, finish, why, code,
    may_move,       kio_tls_engine_free,
};

kio_tls_engine *kio_tls_engine_of(const kio_filter *filter) {
  return filter && filter->kind->free == kio_tls_engine_free ? filter->self : NULL;
}

const kio_filter_kind *kio_tls_engine_kind(const kio_tls_engine *e) {
  bool any = !SSL_is_server(e->ssl) && e->home.config->unverified;
  return any ? &unverified_kind : &verified_kind;
}

void kio_tls_engine_choose(kio_tls_engine *e, kio_tls_context *context) {
  if (e->task != KIO_TLS_TASK_CHOOSE) return;
  kio_tls_config_unref(e->chosen);
  e->chosen = context ? kio_tls_context_config(context) : NULL;
  e->is_chosen = true;
  e->asks = false;
  e->task = e->on_pool ? KIO_TLS_TASK_WORK : KIO_TLS_TASK_NONE;
}

/* ---- making one ---- */

static bool is_for_pool(const kio_tls_config *config) {
  return config->where == KIO_TLS_POOL || (config->where == KIO_TLS_AUTO && config->rsa);
}

/* Whose certificate the peer must have, and what it is told of that. */
static bool aim(kio_tls_engine *e, const kio_tls_peer *peer) {
  X509_VERIFY_PARAM *param = SSL_get0_param(e->ssl);
  unsigned flags = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;
  if (!peer->name) return true;
  X509_VERIFY_PARAM_set_hostflags(param, flags);
  if (peer->is_address) return X509_VERIFY_PARAM_set1_ip_asc(param, peer->name) == 1;
  return SSL_set1_host(e->ssl, peer->name) == 1 &&
         SSL_set_tlsext_host_name(e->ssl, peer->name) == 1;
}

static bool resume(kio_tls_engine *e, const char *key) {
  if (!key) return true;
  e->peer = OPENSSL_strdup(key);
  SSL_SESSION *session = e->peer ? kio_tls_context_session(e->context, key) : NULL;
  if (session) SSL_set_session(e->ssl, session);
  SSL_SESSION_free(session);
  return e->peer;
}

static bool begin_client(kio_tls_engine *e, const kio_tls_peer *peer) {
  const kio_tls_config *config = e->home.config;
  SSL_set_verify(e->ssl, config->unverified ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, kio_tls_on_verify);
  if (config->staple_required) SSL_set_tlsext_status_type(e->ssl, TLSEXT_STATUSTYPE_ocsp);
  SSL_set_connect_state(e->ssl);
  return aim(e, peer) && resume(e, peer->key) && shake(e) == KIO_FILTER_OK;
}

static bool begin(kio_tls_engine *e, const kio_tls_peer *peer) {
  ERR_clear_error();
  e->ssl = SSL_new(e->home.config->ssl);
  BIO *bio = e->ssl ? BIO_new(e->home.config->bio) : NULL;
  if (!bio) return false;
  BIO_set_data(bio, e);
  BIO_set_init(bio, 1);
  SSL_set_bio(e->ssl, bio, bio);
  if (SSL_set_app_data(e->ssl, e) != 1) return false;
  if (peer) return begin_client(e, peer);
  if (!kio_tls_serve_by(e->ssl, e->home.config)) return false;
  e->on_pool = is_for_pool(e->home.config);
  SSL_set_accept_state(e->ssl);
  return true;
}

kio_tls_engine *kio_tls_engine_new(kio_tls_context *context, const kio_tls_peer *peer,
                                   kio_tls_words *words) {
  kio_tls_engine *e = OPENSSL_zalloc(sizeof *e);
  kio_tls_words_set(words, "ENOMEM", "not enough memory");
  if (!e) return NULL;
  e->refs = 1;
  e->home.config = kio_tls_context_config(context);
  e->context = kio_tls_context_ref(context);
  if (begin(e, peer)) return e;
  if (e->words.code) *words = e->words;
  else kio_tls_words_take(words, X509_V_OK, "not enough memory");
  kio_tls_engine_free(e);
  return NULL;
}
