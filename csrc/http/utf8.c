/* Owns nothing. Invariant: between two calls `need` is 0, or [low, high] holds what may come next.
   Called on any thread. */
#include "http/utf8.h"

#include <string.h>

#define HIGH_BITS 0x8080808080808080u /* in a word of eight bytes of ASCII none of them is set */

/* How many bytes at the front are ASCII, in steps of eight. */
static size_t ascii_size(const char *data, size_t size) {
  size_t at = 0;
  for (uint64_t word; size - at >= sizeof word; at += sizeof word) {
    memcpy(&word, data + at, sizeof word);
    if (word & HIGH_BITS) break;
  }
  return at;
}

/* The first byte of a character of several. Forms that are too long, surrogates and what is beyond
   U+10FFFF show in the second one. */
static bool begin(kio_http_utf8 *text, uint8_t byte) {
  text->low = 0x80;
  text->high = 0xBF;
  if (byte >= 0xC2 && byte <= 0xDF) text->need = 1;
  else if (byte >= 0xE0 && byte <= 0xEF) text->need = 2;
  else if (byte >= 0xF0 && byte <= 0xF4) text->need = 3;
  else return false;
  if (byte == 0xE0) text->low = 0xA0;
  if (byte == 0xED) text->high = 0x9F;
  if (byte == 0xF0) text->low = 0x90;
  if (byte == 0xF4) text->high = 0x8F;
  return true;
}

static bool go_on(kio_http_utf8 *text, uint8_t byte) {
  if (byte < text->low || byte > text->high) return false;
  text->need--;
  text->low = 0x80;
  text->high = 0xBF;
  return true;
}

bool kio_http_utf8_feed(kio_http_utf8 *text, const char *data, size_t size) {
  size_t at = 0;
  while (at < size) {
    if (text->need == 0) at += ascii_size(data + at, size - at);
    if (at == size) break;
    uint8_t byte = (uint8_t)data[at++];
    if (text->need > 0) {
      if (!go_on(text, byte)) return false;
    } else if (byte >= 0x80 && !begin(text, byte)) {
      return false;
    }
  }
  return true;
}
