/* Owns nothing; the queue is OpenSSL's, one for each thread. */
#include "tls/words.h"

#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

void kio_tls_words_set(kio_tls_words *words, const char *code, const char *form, ...) {
  va_list list;
  words->code = code;
  va_start(list, form);
  vsnprintf(words->text, sizeof words->text, form, list);
  va_end(list);
}

/* The name of an alert, by its number. */
static const char *alert_name(int alert) {
  switch (alert) { /* what OpenSSL 3.0 has no words for */
  case SSL_AD_MISSING_EXTENSION: return "missing extension";
  case SSL_AD_CERTIFICATE_REQUIRED: return "certificate required";
  case SSL_AD_NO_APPLICATION_PROTOCOL: return "no application protocol";
  default: return SSL_alert_desc_string_long(alert);
  }
}

/* What we say better; NULL: nothing. */
static const char *own_words(int reason) {
  switch (reason) {
  case SSL_R_HTTP_REQUEST: return "plain HTTP came where TLS was expected";
  case SSL_R_WRONG_VERSION_NUMBER:
  case SSL_R_PACKET_LENGTH_TOO_LONG: return "what came is no TLS";
  case SSL_R_UNSUPPORTED_PROTOCOL: return "no version of TLS in common";
  case SSL_R_NO_SHARED_CIPHER: return "no cipher in common";
  case SSL_R_NO_APPLICATION_PROTOCOL: return "no application protocol in common";
  case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return "the peer sent no certificate";
  default: return NULL;
  }
}

static const char *reason_text(unsigned long error) {
  const char *text = ERR_reason_error_string(error);
  return text ? text : "an error without words";
}

static void of_ssl(kio_tls_words *words, unsigned long error, long verify) {
  int reason = ERR_GET_REASON(error);
  bool is_alert = reason > SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256;
  const char *own = own_words(reason);
  if (is_alert) {
    kio_tls_words_set(words, KIO_TLS_ALERT, "the peer sent the alert: %s",
                      alert_name(reason - SSL_AD_REASON_OFFSET));
  } else if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    kio_tls_words_set(words, KIO_TLS_CERT, "certificate verify failed: %s",
                      X509_verify_cert_error_string(verify));
  } else if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
    kio_tls_words_set(words, KIO_TLS_CERT, "%s", own);
  } else {
    kio_tls_words_set(words, KIO_TLS_PROTOCOL, "%s", own ? own : reason_text(error));
  }
}

void kio_tls_words_take(kio_tls_words *words, long verify, const char *otherwise) {
  unsigned long error = ERR_get_error(); /* the first is the cause of the others */
  if (error == 0) kio_tls_words_set(words, KIO_TLS_PROTOCOL, "%s", otherwise);
  else if (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE)
    kio_tls_words_set(words, "ENOMEM", "not enough memory");
  else if (ERR_GET_LIB(error) == ERR_LIB_SSL) of_ssl(words, error, verify);
  else kio_tls_words_set(words, KIO_TLS_PROTOCOL, "%s", reason_text(error));
  ERR_clear_error();
}
