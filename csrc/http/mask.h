/* Masks of WebSocket frames. */
#ifndef KIO_HTTP_MASK_H
#define KIO_HTTP_MASK_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Combines each of the bytes with one of the mask's four in turn, which puts a mask on and takes it
   off again; `at`: how many bytes of the same frame came before these. */
static inline void kio_ws_mask(char *to, const char *from, size_t size, const uint8_t mask[4],
                               uint64_t at) {
  uint8_t turned[8];
  uint64_t key, word;
  for (size_t i = 0; i < sizeof turned; i++) turned[i] = mask[(at + i) & 3];
  memcpy(&key, turned, sizeof key);
  for (; size >= sizeof word; to += sizeof word, from += sizeof word, size -= sizeof word) {
    memcpy(&word, from, sizeof word);
    word ^= key;
    memcpy(to, &word, sizeof word);
  }
  for (size_t i = 0; i < size; i++) to[i] = (char)((uint8_t)from[i] ^ turned[i]);
}

#endif
