/* Test builds only. Certificates that specs need, valid from and until as they say: nothing in the
   tree can expire. Owns nothing; what memory is out for is left behind. */
#include "tls/test_cert.h"

#include <lua.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <string.h>

enum { DAY = 86400, RSA_BITS = 2048 };

static const char *text_option(lua_State *L, const char *name, const char *otherwise) {
  lua_getfield(L, 1, name);
  const char *text = lua_tostring(L, -1);
  lua_pop(L, 1); /* the table holds it */
  return text ? text : otherwise;
}

static long long number_option(lua_State *L, const char *name, long long otherwise) {
  lua_getfield(L, 1, name);
  long long number = lua_isnumber(L, -1) ? (long long)lua_tonumber(L, -1) : otherwise;
  lua_pop(L, 1);
  return number;
}

static X509 *read_cert(const char *pem) {
  BIO *bio = BIO_new_mem_buf(pem, -1);
  X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
  BIO_free(bio);
  return cert;
}

static EVP_PKEY *read_key(const char *pem) {
  BIO *bio = BIO_new_mem_buf(pem, -1);
  EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
  BIO_free(bio);
  return key;
}

static void extend(X509 *cert, X509 *issuer, int nid, const char *value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
  if (extension) X509_add_ext(cert, extension, -1);
  X509_EXTENSION_free(extension);
}

static void name_it(X509 *cert, const char *cn) {
  X509_NAME *name = X509_get_subject_name(cert);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0);
}

static X509 *new_cert(lua_State *L, EVP_PKEY *key, X509 *issuer) {
  uint64_t serial;
  X509 *cert = X509_new();
  RAND_bytes((unsigned char *)&serial, sizeof serial);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial >> 1);
  X509_set_version(cert, X509_VERSION_3);
  X509_time_adj_ex(X509_getm_notBefore(cert), (int)number_option(L, "from", -1), 0, NULL);
  X509_time_adj_ex(X509_getm_notAfter(cert), (int)number_option(L, "days", 30), 0, NULL);
  X509_set_pubkey(cert, key);
  name_it(cert, text_option(L, "cn", "kio test"));
  X509_set_issuer_name(cert, X509_get_subject_name(issuer ? issuer : cert));
  int authority = (int)number_option(L, "ca", 0);
  const char *names = text_option(L, "names", NULL);
  extend(cert, issuer, NID_basic_constraints, authority ? "critical,CA:TRUE" : "CA:FALSE");
  if (authority) extend(cert, issuer, NID_key_usage, "critical,keyCertSign,digitalSignature");
  if (names) extend(cert, issuer, NID_subject_alt_name, names);
  return cert;
}

static void push_bio(lua_State *L, BIO *bio) {
  char *text;
  long size = BIO_get_mem_data(bio, &text);
  lua_pushlstring(L, text, (size_t)size);
  BIO_free(bio);
}

/* test_certificate{key = "ec" | "rsa", cn, names, from, days, ca = 1, issuer, issuer_key,
   passphrase} -> certificate, key, both PEM */
static int l_certificate(lua_State *L) {
  const char *kind = text_option(L, "key", "ec"), *by = text_option(L, "issuer", NULL);
  const char *passphrase = text_option(L, "passphrase", NULL);
  EVP_PKEY *key = strcmp(kind, "rsa") == 0 ? EVP_RSA_gen((size_t)RSA_BITS) : EVP_EC_gen("P-256");
  EVP_PKEY *signer = by ? read_key(text_option(L, "issuer_key", "")) : key;
  X509 *issuer = by ? read_cert(by) : NULL;
  X509 *cert = new_cert(L, key, issuer);
  X509_sign(cert, signer, EVP_sha256());
  BIO *certs = BIO_new(BIO_s_mem()), *keys = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(certs, cert);
  PEM_write_bio_PrivateKey(keys, key, passphrase ? EVP_aes_128_cbc() : NULL, NULL, 0, NULL,
                           (void *)(uintptr_t)passphrase);
  if (by) EVP_PKEY_free(signer);
  EVP_PKEY_free(key);
  X509_free(issuer);
  X509_free(cert);
  push_bio(L, certs);
  push_bio(L, keys);
  return 2;
}

/* test_staple{certificate, issuer, issuer_key, status = "good" | "revoked", age} -> DER; `age`:
   days since it was made, for one day */
static int l_staple(lua_State *L) {
  X509 *cert = read_cert(text_option(L, "certificate", ""));
  X509 *issuer = read_cert(text_option(L, "issuer", ""));
  EVP_PKEY *key = read_key(text_option(L, "issuer_key", ""));
  bool good = strcmp(text_option(L, "status", "good"), "good") == 0;
  int age = (int)number_option(L, "age", 0);
  ASN1_TIME *from = X509_time_adj_ex(NULL, -age, -60, NULL);
  ASN1_TIME *until = X509_time_adj_ex(NULL, 1 - age, 0, NULL);
  OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
  OCSP_CERTID *id = OCSP_cert_to_id(NULL, cert, issuer);
  OCSP_basic_add1_status(basic, id, good ? V_OCSP_CERTSTATUS_GOOD : V_OCSP_CERTSTATUS_REVOKED, 0,
                         from, from, until);
  OCSP_basic_sign(basic, issuer, key, EVP_sha256(), NULL, 0);
  OCSP_RESPONSE *response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
  unsigned char *der = NULL;
  int size = i2d_OCSP_RESPONSE(response, &der);
  lua_pushlstring(L, (const char *)der, size > 0 ? (size_t)size : 0);
  OPENSSL_free(der);
  OCSP_RESPONSE_free(response);
  OCSP_BASICRESP_free(basic);
  OCSP_CERTID_free(id);
  ASN1_TIME_free(from);
  ASN1_TIME_free(until);
  EVP_PKEY_free(key);
  X509_free(issuer);
  X509_free(cert);
  return 1;
}

const luaL_Reg kio_tls_test_ops[] = {
    {"test_certificate", l_certificate},
    {"test_staple", l_staple},
    {NULL, NULL},
};
