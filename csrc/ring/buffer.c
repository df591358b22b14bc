/* Owns the cache of one scheduler. Invariant: a buffer is taken, cached or (test builds) in
   quarantine, never two of these. Called by the scheduler's thread only. */
#include "ring/buffer.h"

#include <string.h>

#include "base/memory.h"

_Static_assert(KIO_BUFFER_MIN << (KIO_BUFFER_CLASSES - 1) >= KIO_BUFFER_MAX,
               "the last class holds the largest buffer");

/* The class that holds `size`, or -1 when it is larger than any. */
static int class_of(size_t size) {
  size_t room = KIO_BUFFER_MIN;
  for (int i = 0; i < KIO_BUFFER_CLASSES && room <= KIO_BUFFER_MAX; i++, room *= 2) {
    if (size <= room) return i;
  }
  return -1;
}

static size_t class_size(int class) {
  return (size_t)KIO_BUFFER_MIN << class;
}

void kio_buffers_init(kio_buffers *set) {
  memset(set, 0, sizeof *set);
}

#ifdef KIO_TEST
enum { POISON = 0xA5 };

static void check_poison(kio_buffers *set, kio_buffer buffer) {
  const unsigned char *bytes = (const unsigned char *)buffer.data;
  /* A buffer that equals itself moved by one consists of its first byte: no faster way to look. */
  if (bytes[0] == POISON && memcmp(bytes, bytes + 1, buffer.size - 1) == 0) return;
  size_t i = 0;
  while (bytes[i] == POISON) i++;
  fprintf(stderr, "kio: a freed buffer was written to (byte %zu of %zu)\n", i, buffer.size);
  set->violations++;
}

/* Puts `buffer` in and gives the oldest one out, checked. Outsized ones would hold too much. */
static kio_buffer quarantine_swap(kio_buffers *set, kio_buffer buffer) {
  if (buffer.size > KIO_BUFFER_MAX) return buffer;
  kio_buffer *slot = &set->quarantine[set->quarantine_next];
  kio_buffer oldest = *slot;
  if (buffer.data) memset(buffer.data, POISON, buffer.size);
  if (oldest.data) check_poison(set, oldest);
  *slot = buffer;
  set->quarantine_next = (set->quarantine_next + 1) % KIO_QUARANTINE;
  return oldest;
}

static void quarantine_empty(kio_buffers *set) {
  for (unsigned i = 0; i < KIO_QUARANTINE; i++) {
    kio_buffer_drop(quarantine_swap(set, (kio_buffer){NULL, 0}));
  }
  kio_assert(set->violations == 0);
}
#else
static kio_buffer quarantine_swap(kio_buffers *set, kio_buffer buffer) {
  (void)set;
  return buffer;
}

static void quarantine_empty(kio_buffers *set) {
  (void)set;
}
#endif

void kio_buffers_fini(kio_buffers *set) {
  quarantine_empty(set);
  for (int class = 0; class < KIO_BUFFER_CLASSES; class ++) {
    while (set->cached[class] > 0) kio_buffer_drop(set->cache[class][--set->cached[class]]);
  }
}

kio_buffer kio_buffer_find(kio_buffers *set, size_t size) {
  kio_assert(size > 0);
  int class = class_of(size);
  kio_buffer buffer = {NULL, class < 0 ? size : class_size(class)};
  if (class >= 0 && set->cached[class] > 0) {
    buffer = set->cache[class][--set->cached[class]];
  } else {
    buffer.data = kio_memory_resize(NULL, buffer.size + KIO_BUFFER_SPARE);
  }
  if (buffer.data) set->taken++;
  return buffer;
}

static void cache_or_drop(kio_buffers *set, kio_buffer buffer) {
  int class = buffer.size == KIO_BUFFER_MIN ? 0 : class_of(buffer.size);
  if (class >= 0 && class_size(class) == buffer.size && set->cached[class] < KIO_BUFFER_CACHE) {
    set->cache[class][set->cached[class]++] = buffer;
  } else {
    kio_buffer_drop(buffer);
  }
}

void kio_buffer_put(kio_buffers *set, kio_buffer buffer) {
  kio_assert(set->taken > 0);
  set->taken--;
  kio_buffer free_now = quarantine_swap(set, buffer);
  if (free_now.data) cache_or_drop(set, free_now);
}

void kio_buffer_drop(kio_buffer buffer) {
  kio_memory_free(buffer.data);
}

void kio_buffer_retire(kio_buffers *set, kio_buffer buffer) {
  kio_buffer free_now = set ? quarantine_swap(set, buffer) : buffer;
  if (free_now.data) kio_buffer_drop(free_now);
}

#ifdef KIO_TEST
void kio_buffers_verify(const kio_buffers *set) {
  kio_assert(set->violations == 0 && set->quarantine_next < KIO_QUARANTINE);
  for (int class = 0; class < KIO_BUFFER_CLASSES; class ++) {
    unsigned count = set->cached[class];
    kio_assert(count <= KIO_BUFFER_CACHE);
    if (count == 0) continue;
    const kio_buffer *top = &set->cache[class][count - 1];
    kio_assert(top->data && top->size == class_size(class));
  }
}
#endif
