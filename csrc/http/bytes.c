/* Owns constants only. */
#include "http/bytes.h"

#include <string.h>

#define HIGH 36, 36, 36, 36, 36, 36, 36, 36, 36, 36, 36, 36, 36, 36, 36, 36 /* obs-text */

/* Rows of sixteen, from the control characters on: sums of kio_http_bytes. */
/* clang-format off */
const uint8_t kio_http_kinds[256] = {
     0,  0,  0,  0,  0,  0,  0,  0,  0, 36,  0,  0,  0,  0,  0,  0,
     0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
    36, 55,  6, 37, 55, 39, 55, 55, 54, 54, 55, 55, 54, 55, 55, 38,
    63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 38, 54, 38, 54, 38, 38,
    38, 63, 63, 63, 63, 63, 63, 55, 55, 55, 55, 55, 55, 55, 55, 55,
    55, 55, 55, 55, 55, 55, 55, 55, 55, 55, 55, 38,  6, 38, 39, 55,
    39, 63, 63, 63, 63, 63, 63, 55, 55, 55, 55, 55, 55, 55, 55, 55,
    55, 55, 55, 55, 55, 55, 55, 55, 55, 55, 55, 38, 39, 38, 55,  0,
    HIGH, HIGH, HIGH, HIGH, HIGH, HIGH, HIGH, HIGH,
};
/* clang-format on */

enum { WORD = sizeof(uint64_t) };

#define EACH_BYTE(byte) (UINT64_MAX / 255 * (byte))

/* Whether one of eight bytes is a control character, or HTAB, which is for the loop. */
static bool has_control(const char *bytes) {
  uint64_t word;
  memcpy(&word, bytes, WORD);
  uint64_t deleted = word ^ EACH_BYTE(0x7f);
  uint64_t low = (word - EACH_BYTE(0x20)) & ~word;
  uint64_t del = (deleted - EACH_BYTE(1)) & ~deleted;
  return ((low | del) & EACH_BYTE(0x80)) != 0;
}

uint32_t kio_http_run_of_value(const char *bytes, uint32_t size) {
  uint32_t n = 0;
  while (n < size) {
    while (size - n >= WORD && !has_control(bytes + n)) n += WORD;
    uint32_t end = size - n < WORD ? size : n + WORD;
    n += kio_http_run(KIO_HTTP_VALUE, bytes + n, end - n);
    if (n < end) break;
  }
  return n;
}

bool kio_http_same(const char *bytes, size_t size, const char *lower) {
  for (size_t i = 0; i < size; i++) {
    if (kio_http_lower(bytes[i]) != lower[i]) return false;
  }
  return lower[size] == '\0';
}
