/* Owns nothing: all is the engine's, which is the app data of its SSL. Called by OpenSSL, in a step
   of an engine. */
#include "tls/hooks.h"

#include <openssl/x509v3.h>
#include <string.h>

#include "tls/names.h"
#include "tls/staple.h"

/* ---- bytes ---- */

static int bio_read(BIO *bio, char *to, size_t size, size_t *got) {
  kio_tls_engine *e = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  *got = 0;
  if (e->answers > KIO_TLS_ANSWERS_MAX) {
    BIO_set_retry_read(bio);
    return 0;
  }
  size_t whole = e->is_ready ? size : e->kept_whole;
  *got = kio_tls_bytes_take(&e->kept, to, size < whole ? size : whole);
  e->kept_whole -= e->is_ready ? 0 : *got;
  if (*got == 0 && e->in_size > 0) {
    *got = size < e->in_size ? size : e->in_size;
    memcpy(to, e->in, *got);
    e->in += *got;
    e->in_size -= *got;
  }
  if (*got == 0) BIO_set_retry_read(bio);
  return *got > 0;
}

/* Behind what is held, or where the call wants it. */
static int bio_write(BIO *bio, const char *from, size_t size, size_t *written) {
  kio_tls_engine *e = BIO_get_data(bio);
  bool straight = kio_tls_bytes_size(&e->held) == 0;
  size_t fits = !straight ? 0 : size < e->out_room ? size : e->out_room;
  BIO_clear_retry_flags(bio);
  *written = 0;
  if (fits < size && !kio_tls_bytes_put(&e->held, from + fits, size - fits)) {
    ERR_raise(ERR_LIB_SSL, ERR_R_MALLOC_FAILURE);
    return 0;
  }
  if (fits > 0) memcpy(e->out, from, fits);
  if (e->in && e->is_ready) e->answers += size;
  e->out += fits;
  e->out_room -= fits;
  *written = size;
  return 1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *data) {
  (void)bio;
  (void)number;
  (void)data;
  return command == BIO_CTRL_FLUSH;
}

/* ---- certificates ---- */

int kio_tls_on_verify(int fine, X509_STORE_CTX *store) {
  SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
  kio_tls_engine *e = SSL_get_app_data(ssl);
  int error = X509_STORE_CTX_get_error(store);
  if (fine || SSL_is_server(ssl) || e->words.code) return fine;
  if (error != X509_V_ERR_HOSTNAME_MISMATCH && error != X509_V_ERR_IP_ADDRESS_MISMATCH) return 0;
  char names[200];
  kio_tls_names_text(X509_STORE_CTX_get0_cert(store), names, sizeof names);
  kio_tls_words_set(&e->words, KIO_TLS_CERT, "certificate verify failed: name mismatch (has %s)",
                    *names ? names : "no name");
  return 0;
}

static int check_staple(SSL *ssl, kio_tls_engine *e) {
  if (!e->home.config->staple_required || SSL_session_reused(ssl)) return 1;
  const char *wrong = kio_tls_staple_wrong(ssl);
  if (wrong) kio_tls_words_set(&e->words, KIO_TLS_CERT, "certificate verify failed: %s", wrong);
  return !wrong;
}

static const kio_tls_config *config_of(const kio_tls_engine *e) {
  return e->chosen ? e->chosen : e->home.config;
}

static int on_status(SSL *ssl, void *arg) {
  kio_tls_engine *e = SSL_get_app_data(ssl);
  (void)arg;
  if (!SSL_is_server(ssl)) return check_staple(ssl, e);
  const kio_tls_config *config = config_of(e);
  void *copy = config->staple ? OPENSSL_memdup(config->staple, config->staple_size) : NULL;
  if (!copy) return SSL_TLSEXT_ERR_NOACK;
  SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)config->staple_size);
  return SSL_TLSEXT_ERR_OK;
}

/* ---- a client's hello ---- */

bool kio_tls_serve_by(SSL *ssl, const kio_tls_config *config) {
  static const int modes[] = {SSL_VERIFY_NONE, SSL_VERIFY_PEER,
                              SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT};
  if (SSL_get_SSL_CTX(ssl) != config->ssl && !SSL_set_SSL_CTX(ssl, config->ssl)) return false;
  SSL_set_verify(ssl, modes[config->client], kio_tls_on_verify);
  SSL_set_min_proto_version(ssl, (int)SSL_CTX_get_min_proto_version(config->ssl));
  SSL_set_max_proto_version(ssl, (int)SSL_CTX_get_max_proto_version(config->ssl));
  return true;
}

/* The host that is wanted; false: none is named, or not as it should be. */
static bool read_name(SSL *ssl, char name[TLSEXT_MAXLEN_host_name + 1]) {
  const unsigned char *data;
  size_t size;
  if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &size)) return false;
  if (size < 5 || data[2] != TLSEXT_NAMETYPE_host_name) return false;
  size_t length = (size_t)data[3] << 8 | data[4];
  if (length > size - 5 || length > TLSEXT_MAXLEN_host_name) return false;
  if (length == 0 || memchr(data + 5, '\0', length)) return false;
  memcpy(name, data + 5, length);
  name[length] = '\0';
  return true;
}

static int out_of_memory(kio_tls_engine *e, int *alert) {
  kio_tls_words_set(&e->words, "ENOMEM", "not enough memory");
  *alert = SSL_AD_INTERNAL_ERROR;
  return SSL_CLIENT_HELLO_ERROR;
}

/* What the question is about. False: memory is out. */
static bool note_hello(SSL *ssl, kio_tls_engine *e, const char *name) {
  const unsigned char *data;
  size_t size;
  if (!e->asked_name && name) e->asked_name = OPENSSL_strdup(name);
  if (!e->asked_name && name) return false;
  bool some = SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation,
                                        &data, &size);
  if (!some || size < 2 || kio_tls_bytes_size(&e->asked_protocols) > 0) return true;
  return kio_tls_bytes_put(&e->asked_protocols, (const char *)data + 2, size - 2);
}

static int refuse_name(kio_tls_engine *e, int *alert) {
  kio_tls_words_set(&e->words, KIO_TLS_PROTOCOL, "no certificate for the name that is asked for");
  *alert = SSL_AD_UNRECOGNIZED_NAME;
  return SSL_CLIENT_HELLO_ERROR;
}

/* A client may be asked to say it again: what was chosen stays. */
static int on_hello(SSL *ssl, int *alert, void *arg) {
  kio_tls_engine *e = SSL_get_app_data(ssl);
  char name[TLSEXT_MAXLEN_host_name + 1];
  (void)arg;
  bool named = !e->is_chosen && read_name(ssl, name);
  if (e->home.config->asks && !e->is_chosen) {
    bool noted = note_hello(ssl, e, named ? name : NULL);
    return noted ? SSL_CLIENT_HELLO_RETRY : out_of_memory(e, alert);
  }
  if (named && !e->chosen) {
    kio_tls_context *found = kio_tls_config_find(e->home.config, name);
    if (found) e->chosen = kio_tls_context_config(found);
  }
  if (e->chosen && !kio_tls_serve_by(ssl, e->chosen)) return out_of_memory(e, alert);
  if (SSL_CTX_get0_certificate(SSL_get_SSL_CTX(ssl)) == NULL || (e->is_chosen && !e->chosen)) {
    return refuse_name(e, alert);
  }
  return SSL_CLIENT_HELLO_SUCCESS;
}

/* ---- sessions ---- */

/* A server needs to keep none: its tickets have all. */
static int on_session(SSL *ssl, SSL_SESSION *session) {
  const kio_tls_engine *e = SSL_get_app_data(ssl);
  if (!SSL_is_server(ssl) && e->peer) {
    kio_tls_context_keep(e->context, e->home.config, e->peer, session);
  }
  return 0;
}

void kio_tls_hooks_set(kio_tls_config *config) {
  BIO_meth_set_read_ex(config->bio, bio_read);
  BIO_meth_set_write_ex(config->bio, bio_write);
  BIO_meth_set_ctrl(config->bio, bio_ctrl);
  SSL_CTX_set_tlsext_status_cb(config->ssl, on_status);
  SSL_CTX_set_client_hello_cb(config->ssl, on_hello, NULL);
  SSL_CTX_set_session_cache_mode(config->ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(config->ssl, on_session);
}
