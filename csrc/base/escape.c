/* Owns nothing. A backslash stays as it is: the result is for people, and is not read back. */
#include "base/escape.h"

#include <string.h>

typedef struct piece {
  size_t size;   /* bytes of the text it is about */
  bool harmless; /* they may be written as they are */
} piece;

/* How many bytes a UTF-8 sequence that begins so has; 0: none begins so. */
static size_t length_of(unsigned char first) {
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* The code point of a sequence; 0xffffffff: it is none, or a longer form than it needs. */
static uint32_t decode(const unsigned char *at, size_t length) {
  static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
  uint32_t code = length == 1 ? at[0] : at[0] & (0xffU >> (length + 1));
  for (size_t i = 1; i < length; i++) {
    if ((at[i] & 0xc0) != 0x80) return UINT32_MAX;
    code = code << 6 | (at[i] & 0x3fU);
  }
  bool surrogate = code >= 0xd800 && code < 0xe000;
  return code < smallest[length] || surrogate || code > 0x10ffff ? UINT32_MAX : code;
}

/* C0, DEL and C1; ends of lines; marks that turn the direction of what follows. */
static bool is_harmful(uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x061c ||
         (code >= 0x200e && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
         (code >= 0x2066 && code <= 0x2069);
}

static piece next_piece(const char *text, size_t size) {
  const unsigned char *at = (const unsigned char *)text;
  size_t length = length_of(at[0]);
  uint32_t code = length == 0 || length > size ? UINT32_MAX : decode(at, length);
  if (code == UINT32_MAX) return (piece){1, false};
  return (piece){length, !is_harmful(code)};
}

/* One byte as Lua would write it; at most 4 characters. */
static size_t escape_byte(char *out, unsigned char byte) {
  static const char letters[] = "abtnvfr";
  bool named = byte >= '\a' && byte <= '\r';
  if (named) return (size_t)snprintf(out, 5, "\\%c", letters[byte - '\a']);
  return (size_t)snprintf(out, 5, "\\x%02x", byte);
}

static size_t escape_piece(char *out, const char *text, size_t size) {
  size_t used = 0;
  for (size_t i = 0; i < size; i++) used += escape_byte(out + used, (unsigned char)text[i]);
  return used;
}

/* Ends and tabs of lines in a text; 0: it is something else. */
static size_t keep_layout(char *out, const char *text, size_t size) {
  if (text[0] == '\t') return (size_t)snprintf(out, 3, "\t");
  if (text[0] != '\n') return 0;
  bool indented = size < 2 || text[1] == '\t' || text[1] == '\n';
  return (size_t)snprintf(out, 3, indented ? "\n" : "\n\t");
}

size_t kio_escape(char *out, size_t room, const char *text, size_t size, kio_escape_kind kind) {
  kio_assert(room > 0);
  char written[4 * 4 + 1]; /* of one sequence */
  size_t used = 0;
  for (size_t at = 0; at < size;) {
    piece p = next_piece(text + at, size - at);
    size_t count = kind == KIO_ESCAPE_TEXT ? keep_layout(written, text + at, size - at) : 0;
    if (count == 0 && p.harmless) memcpy(written, text + at, count = p.size);
    else if (count == 0) count = escape_piece(written, text + at, p.size);
    if (count >= room - used) break;
    memcpy(out + used, written, count);
    used += count;
    at += p.size;
  }
  out[used] = '\0';
  return used;
}
