/* Kinds of bytes, as RFC 9110 and 3986 name them. Any thread. */
#ifndef KIO_HTTP_BYTES_H
#define KIO_HTTP_BYTES_H

#include "base/base.h"

typedef enum kio_http_bytes {
  KIO_HTTP_TOKEN = 1,  /* of methods and names of fields */
  KIO_HTTP_TARGET = 2, /* of targets: printable ASCII but for "#" */
  KIO_HTTP_VALUE = 4,  /* of values: no control characters but HTAB */
  KIO_HTTP_HEX = 8,    /* hexadecimal digits */
  KIO_HTTP_NAME = 16,  /* of names of hosts, but for "%" */
  KIO_HTTP_QUOTED = 32 /* between quotes, but for what follows a backslash */
} kio_http_bytes;

extern const uint8_t kio_http_kinds[256]; /* the sum of those that a byte is of */

static inline bool kio_http_is(kio_http_bytes kind, char byte) {
  return (kio_http_kinds[(uint8_t)byte] & kind) != 0;
}
static inline bool kio_http_is_digit(char byte) {
  return byte >= '0' && byte <= '9';
}
static inline char kio_http_lower(char byte) {
  return byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
}
/* How many bytes from the first on are of that kind. */
static inline uint32_t kio_http_run(kio_http_bytes kind, const char *bytes, uint32_t size) {
  uint32_t n = 0;
  while (n < size && kio_http_is(kind, bytes[n])) n++;
  return n;
}
/* kio_http_run for values, which are long: eight bytes at a time. */
uint32_t kio_http_run_of_value(const char *bytes, uint32_t size);
/* Whether the bytes are this text in lower case, but for the case of letters. */
bool kio_http_same(const char *bytes, size_t size, const char *lower);

#endif
