/* Bytes that wait: put in at the end, taken from the front. OpenSSL's allocator. */
#ifndef KIO_TLS_BYTES_H
#define KIO_TLS_BYTES_H

#include <openssl/crypto.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef struct kio_tls_bytes {
  char *data;
  size_t at;   /* the first that waits */
  size_t end;  /* behind the last */
  size_t room; /* at data */
} kio_tls_bytes;

static inline size_t kio_tls_bytes_size(const kio_tls_bytes *bytes) {
  return bytes->end - bytes->at;
}

static inline void kio_tls_bytes_fini(kio_tls_bytes *bytes) {
  OPENSSL_clear_free(bytes->data, bytes->room);
  *bytes = (kio_tls_bytes){0};
}

/* False when memory is out: nothing is put in. */
static inline bool kio_tls_bytes_put(kio_tls_bytes *bytes, const char *data, size_t size) {
  if (bytes->room - bytes->end < size) {
    size_t room = kio_tls_bytes_size(bytes) + size + 512;
    char *larger = OPENSSL_malloc(room);
    if (!larger) return false;
    size_t waits = kio_tls_bytes_size(bytes);
    if (waits > 0) memcpy(larger, bytes->data + bytes->at, waits);
    kio_tls_bytes_fini(bytes);
    *bytes = (kio_tls_bytes){larger, 0, waits, room};
  }
  if (size > 0) memcpy(bytes->data + bytes->end, data, size);
  bytes->end += size;
  return true;
}

/* At most `room` of them; how many. What is empty has no memory. */
static inline size_t kio_tls_bytes_take(kio_tls_bytes *bytes, char *to, size_t room) {
  size_t size = kio_tls_bytes_size(bytes);
  if (size > room) size = room;
  if (size > 0) memcpy(to, bytes->data + bytes->at, size);
  bytes->at += size;
  if (bytes->data && bytes->at == bytes->end) kio_tls_bytes_fini(bytes);
  return size;
}

#endif
