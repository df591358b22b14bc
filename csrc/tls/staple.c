/* Owns nothing. */
#include "tls/staple.h"

#include <openssl/ocsp.h>
#include <stdbool.h>

enum { SKEW = 300 }; /* seconds by which clocks may differ */

/* What the response says about the certificate. */
static const char *status_of(OCSP_BASICRESP *basic, X509 *cert, X509 *issuer) {
  int status, reason;
  ASN1_GENERALIZEDTIME *revoked, *from, *until;
  OCSP_CERTID *id = OCSP_cert_to_id(NULL, cert, issuer);
  bool found = id && OCSP_resp_find_status(basic, id, &status, &reason, &revoked, &from, &until);
  OCSP_CERTID_free(id);
  if (!found) return "the staple is about another certificate";
  if (status == V_OCSP_CERTSTATUS_REVOKED) return "the certificate is revoked";
  if (status != V_OCSP_CERTSTATUS_GOOD) return "the staple does not know the certificate";
  return OCSP_check_validity(from, until, SKEW, -1) == 1 ? NULL : "the staple is out of date";
}

static const char *check(SSL *ssl, OCSP_BASICRESP *basic) {
  STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);
  X509_STORE *store = SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl));
  if (sk_X509_num(chain) < 1) return "the certificate was not verified";
  if (OCSP_basic_verify(basic, chain, store, 0) != 1)
    return "the staple is not signed by the issuer";
  X509 *issuer = sk_X509_value(chain, sk_X509_num(chain) > 1 ? 1 : 0);
  return status_of(basic, sk_X509_value(chain, 0), issuer);
}

const char *kio_tls_staple_wrong(SSL *ssl) {
  const unsigned char *bytes = NULL;
  long size = SSL_get_tlsext_status_ocsp_resp(ssl, &bytes);
  if (!bytes || size <= 0) return "the server stapled nothing";
  OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &bytes, size);
  OCSP_BASICRESP *basic = response ? OCSP_response_get1_basic(response) : NULL;
  const char *wrong = "the staple is no OCSP response";
  if (basic) wrong = check(ssl, basic);
  OCSP_BASICRESP_free(basic);
  OCSP_RESPONSE_free(response);
  return wrong;
}
