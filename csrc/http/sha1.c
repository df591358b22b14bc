/* SHA-1 as FIPS 180-4 has it, of a text that lies in memory as a whole. Owns nothing. Called on any
   thread. */
#include "http/sha1.h"

#include <string.h>

enum { BLOCK = 64, LENGTH = 8, WORDS = 5, ROUNDS = 80 };

static uint32_t rotate(uint32_t word, unsigned count) {
  return word << count | word >> (32 - count);
}

static uint32_t load(const uint8_t *from) {
  return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static void store(uint8_t *to, uint32_t word) {
  for (unsigned i = 0; i < 4; i++) to[i] = (uint8_t)(word >> (24 - 8 * i));
}

/* What the round mixes in: its function of three words, and its constant. */
static uint32_t mixed(unsigned round, uint32_t b, uint32_t c, uint32_t d) {
  switch (round / 20) {
  case 0: return ((b & c) | (~b & d)) + 0x5A827999;
  case 1: return (b ^ c ^ d) + 0x6ED9EBA1;
  case 2: return ((b & c) | (b & d) | (c & d)) + 0x8F1BBCDC;
  default: return (b ^ c ^ d) + 0xCA62C1D6;
  }
}

static void add_block(uint32_t state[WORDS], const uint8_t *block) {
  uint32_t w[ROUNDS], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
  for (unsigned i = 0; i < 16; i++) w[i] = load(block + 4 * (size_t)i);
  for (unsigned i = 16; i < ROUNDS; i++) {
    w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
  }
  for (unsigned i = 0; i < ROUNDS; i++) {
    uint32_t next = rotate(a, 5) + mixed(i, b, c, d) + e + w[i];
    e = d;
    d = c;
    c = rotate(b, 30);
    b = a;
    a = next;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
}

void kio_http_sha1(const char *data, size_t size, uint8_t digest[KIO_HTTP_SHA1_SIZE]) {
  uint32_t state[WORDS] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
  const uint8_t *bytes = (const uint8_t *)data;
  uint8_t last[2 * BLOCK] = {0}; /* what is left over, a one, and at the end the length in bits */
  size_t whole = size / BLOCK, rest = size % BLOCK;
  for (size_t i = 0; i < whole; i++) add_block(state, bytes + i * BLOCK);
  if (rest > 0) memcpy(last, bytes + whole * BLOCK, rest);
  last[rest] = 0x80;
  size_t end = rest + 1 + LENGTH <= BLOCK ? BLOCK : 2 * BLOCK;
  store(last + end - 8, (uint32_t)((uint64_t)size >> 29));
  store(last + end - 4, (uint32_t)((uint64_t)size << 3));
  for (size_t at = 0; at < end; at += BLOCK) add_block(state, last + at);
  for (size_t i = 0; i < WORDS; i++) store(digest + 4 * i, state[i]);
}
