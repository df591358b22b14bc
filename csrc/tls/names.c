/* Owns nothing. */
#include "tls/names.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The name as text: a host's, or an address. NULL: of another kind, or not to be shown. */
static const char *text_of(const GENERAL_NAME *name, char address[INET6_ADDRSTRLEN]) {
  const ASN1_STRING *value = name->d.ia5;
  if (name->type == GEN_DNS) {
    const char *text = (const char *)ASN1_STRING_get0_data(value);
    size_t plain =
        strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._*");
    return plain == (size_t)ASN1_STRING_length(value) ? text : NULL;
  }
  if (name->type != GEN_IPADD) return NULL;
  int size = ASN1_STRING_length(value);
  if (size != 4 && size != 16) return NULL;
  return inet_ntop(size == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(value), address,
                   INET6_ADDRSTRLEN);
}

void kio_tls_names_each(X509 *cert, void (*each)(void *to, const char *name), void *to) {
  char address[INET6_ADDRSTRLEN];
  GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
  for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
    const char *text = text_of(sk_GENERAL_NAME_value(names, i), address);
    if (text) each(to, text);
  }
  GENERAL_NAMES_free(names);
}

typedef struct line {
  char *text;
  size_t size, room;
} line;

static void add(void *to, const char *name) {
  line *l = to;
  const char *comma = l->size > 0 ? ", " : "";
  size_t size = strlen(name) + strlen(comma);
  if (l->size + size >= l->room) return;
  l->size += (size_t)snprintf(l->text + l->size, l->room - l->size, "%s%s", comma, name);
}

void kio_tls_names_text(X509 *cert, char *text, size_t room) {
  line l = {text, 0, room};
  *text = '\0';
  if (cert) kio_tls_names_each(cert, add, &l);
}
