/* UTF-8, checked as it comes: a text may be cut anywhere, also inside a character. */
#ifndef KIO_HTTP_UTF8_H
#define KIO_HTTP_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a text stands; all zero before its first byte. */
typedef struct kio_http_utf8 {
  uint8_t need; /* bytes that the character under way still wants */
  uint8_t low;  /* its next one is at least this ... */
  uint8_t high; /* ... and at most this */
} kio_http_utf8;

/* Goes on with these bytes. False at the first that no text has there; nothing may follow then. */
bool kio_http_utf8_feed(kio_http_utf8 *text, const char *data, size_t size);
/* Whether the text may end here. */
static inline bool kio_http_utf8_whole(const kio_http_utf8 *text) {
  return text->need == 0;
}
/* Whether all of it is a text. */
static inline bool kio_http_utf8_check(const char *data, size_t size) {
  kio_http_utf8 text = {0};
  return kio_http_utf8_feed(&text, data, size) && kio_http_utf8_whole(&text);
}

#endif
